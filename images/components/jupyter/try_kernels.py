"""Start every kernel that JupyterLab knows, one after another, and let it compute."""

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel

names = sorted(KernelSpecManager().find_kernel_specs())
if not names:
    raise SystemExit("there is no kernel")
for name in names:
    manager, client = start_new_kernel(kernel_name=name, startup_timeout=120)
    try:
        printed: list[str] = []

        def keep(message: dict, printed: list[str] = printed) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        code = "import platform; print('%s: %d' % (platform.python_version(), sum(range(10))))"
        reply = client.execute_interactive(code, timeout=120, output_hook=keep)
        text = "".join(printed).strip()
        print(f"kernel {name}: {text}")
        if reply["content"]["status"] != "ok" or "45" not in text:
            raise SystemExit(f"kernel {name} does not work")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
