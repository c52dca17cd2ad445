"""The operations of Auto Scaling on lifecycle hooks."""

from __future__ import annotations

import threading
from typing import Any

from dlcluster.local.aws import hooks
from dlcluster.local.aws.groups import Group, now
from dlcluster.local.aws.query import AwsError, Context, QueryService


class HookOperations(QueryService):
    """PutLifecycleHook and what belongs to it."""

    _lock: threading.RLock

    def _group(self, params: dict[str, Any], context: Context) -> Group:
        raise NotImplementedError

    def put_lifecycle_hook(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group = self._group(params, context)
            name = params["LifecycleHookName"]
            group.hooks[name] = hooks.parse(params, group.hooks.get(name))
        return {}

    def delete_lifecycle_hook(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            group, name = self._group(params, context), params["LifecycleHookName"]
            if name not in group.hooks:
                raise AwsError("ValidationError", f"No Lifecycle Hook found with name {name}")
            hook = group.hooks.pop(name)
            for member in group.members.values():
                for wait in member.waits:
                    if wait.hook.name == name and not wait.result:
                        wait.result = "CONTINUE" if hook.transition == hooks.TERMINATING else "ABANDON"
        return {}

    def describe_lifecycle_hooks(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        wanted = params.get("LifecycleHookNames", [])
        with self._lock:
            group = self._group(params, context)
            found = [item for name, item in sorted(group.hooks.items()) if not wanted or name in wanted]
            return {"LifecycleHooks": [item.described(group.name) for item in found]}

    def describe_lifecycle_hook_types(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"LifecycleHookTypes": [hooks.LAUNCHING, hooks.TERMINATING]}

    def complete_lifecycle_action(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params["LifecycleActionResult"] not in ("CONTINUE", "ABANDON"):
            raise AwsError("ValidationError", f"Invalid lifecycle action result: {params['LifecycleActionResult']}")
        with self._lock:
            hooks.find(self._group(params, context), params).result = params["LifecycleActionResult"]
        return {}

    def record_lifecycle_action_heartbeat(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        with self._lock:
            hooks.find(self._group(params, context), params).beat = now()
        return {}
