"""Conway's Game of Life on a torus, and a smooth relative of it."""

import numpy as np

GLIDER = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]


def neighbours(board):
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    return sum(np.roll(np.roll(board, i, 0), j, axis=1) for i, j in around)


def step(board):
    count = neighbours(board)
    return ((count == 3) | ((board == 1) & (count == 2))).astype(board.dtype)


def padded_step(board):
    """The same by slices of a padded board, in place."""
    z = np.pad(board, 1, mode="wrap")
    n = z[:-2, :-2] + z[:-2, 1:-1] + z[:-2, 2:] + z[1:-1, :-2] + z[1:-1, 2:] + z[2:, :-2] + z[2:, 1:-1] + z[2:, 2:]
    birth = (n == 3) & (board == 0)
    stay = ((n == 2) | (n == 3)) & (board == 1)
    board[...] = 0
    board[birth | stay] = 1
    return board


def objective(board):
    """A smooth Game of Life: how much lives after three steps."""
    for _ in range(3):
        count = neighbours(board)
        wanted = 3 - 0.5 * board
        board = np.exp(-((count - wanted) ** 2))
    return board.sum()


START = 0.1 + 0.8 * np.pad(np.array(GLIDER, dtype=float), ((0, 2), (1, 0)))

if __name__ == "__main__":
    board = np.zeros((8, 8), dtype=int)
    board[1:4, 2:5] = GLIDER
    first, other = board.copy(), board.copy()
    for generation in range(32):
        board = step(board)
        other = padded_step(other)
        assert (board == other).all()
        if generation % 16 == 0:
            print("\n".join("".join(".#"[cell] for cell in row) for row in board))
    print(np.array_equal(board, first), board.sum(), np.argwhere(board).tolist())
    for row in np.where(board, "#", "."):
        print("".join(row))
    print(board)
    blinker = np.zeros((5, 5), bool)
    blinker[2, 1:4] = True
    print(step(blinker.astype(np.uint8)).T[2], ~blinker[2], np.count_nonzero(blinker))
