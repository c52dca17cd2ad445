"""Arrays as text: options, tables, formats, files and names."""
# ruff: noqa: B905, UP031, UP032

import io

import numpy as np


def table(names, columns):
    lines = [" ".join(f"{name:>9}" for name in names)]
    for row in np.column_stack(columns):
        lines.append(" ".join(f"{value:9.3f}" for value in row))
    return "\n".join(lines)


def objective(x):
    """Newton's steps that tell about themselves, with branches on values."""
    steps = []
    while len(steps) < 6:
        if abs(x[0]) > 100:
            raise ArithmeticError(f"{x[0]:.3f} ran away: {x}")
        x = x - (x**3 - np.array([2.0, 3.0])) / (3 * x**2)
        steps.append(f"{x[0]:.4f} {x}")
        if np.max(np.abs(x**3 - np.array([2.0, 3.0]))) < 0.1:
            break
    print(len(steps), repr(x), "%.3f" % x[1], str(x.sum())[:6], sep=" | ", file=io.StringIO())
    return np.sum(x * np.array([1.0, 2.0]))


START = np.array([1.9, 0.9])

if __name__ == "__main__":
    x = np.linspace(0, 1, 5)
    print(table(["x", "square", "root"], [x, x**2, np.sqrt(x)]))
    print(x, x.astype(np.float32), x > 0.4, x * 1j, np.arange(3), sep="\n")
    print(repr(x), repr(x.astype("float32")), repr(np.array([True])), repr(np.zeros((0, 2))), repr(np.arange(3) > 1))
    print(np.arange(2000), np.eye(3, dtype=int), np.array([1e-9, 1.0, 1e9]), np.array([np.nan, -np.inf, 0.5]), sep="\n")
    print(f"{x.mean():.2f} {x.sum():>8.3e} {np.argmax(x):03d} {x.max()}", "%d of %s" % (x.size, x.shape))
    print("{:.1f} {!s} {:+.2%}".format(x[1], x[:2], x[3]), str(np.float64(2.5)), int(x[4]), float(x[2]), bool(x[0]))
    print(np.array2string(x, precision=2, separator=", ", formatter={"float_kind": lambda v: f"<{v:.2f}>"}))
    with np.printoptions(precision=2, threshold=6, edgeitems=2):
        print(np.arange(40).reshape(10, 4) / 7)
    print(np.array_str(x), np.array_repr(x[:2]), np.format_float_positional(x[3] / 3, precision=4))
    print(np.format_float_scientific(12345.678, precision=2), np.base_repr(37, 3), np.binary_repr(10, width=6))
    text = io.StringIO()
    np.savetxt(text, np.outer(x, [1, 2]), fmt="%.2f", delimiter=",", header="a,b")
    print(text.getvalue())
    print(np.loadtxt(io.StringIO(text.getvalue()), delimiter=",").shape)
    print(np.genfromtxt(io.StringIO("1,2\n3,\n"), delimiter=","), np.fromstring("1 2 3", sep=" "))
    fruit = np.array(["pear", "apple", "fig"])
    print(np.sort(fruit), np.char.upper(fruit), fruit[np.argsort(fruit)], fruit == "fig", fruit.dtype, np.unique(fruit))
    kinds, found = np.unique(["b", "a", "b"], return_counts=True)
    print(dict(zip(kinds.tolist(), found.tolist())), ", ".join(f"{k}={n}" for k, n in zip(kinds, found)))
    people = np.array([("Ada", 36, 1.65), ("Alan", 41, 1.8)], dtype=[("name", "U8"), ("age", "i4"), ("height", "f8")])
    print(people["age"].mean(), people[people["height"] > 1.7]["name"], np.sort(people, order="age")["name"][0])
    print(people, people.dtype.names, people[0])
    days = np.arange("2024-02-27", "2024-03-02", dtype="datetime64[D]")
    print(days, (days[-1] - days[0]).astype(int), np.datetime64("2024-03-01") in days)
    print(np.array([1, "a", None], dtype=object), np.array([[1, 2], [3, 4]]).tolist(), list(np.arange(3)) == [0, 1, 2])
