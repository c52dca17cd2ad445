"""Balance a pole on a cart by policy gradient (REINFORCE): environment, policy and gradient are all NumPy code."""

import dlengine.numpy as np

rng = np.random.default_rng(1)
STEPS, CARTS = 200, 32


def push(state, right):
    """One 20 ms step of the cart-pole of Barto, Sutton and Anderson (1983): x, speed, angle, angular speed."""
    _, speed, angle, spin = state.T
    force = np.where(right, 10.0, -10.0)
    sin, cos = np.sin(angle), np.cos(angle)
    pushed = (force + 0.05 * spin**2 * sin) / 1.1
    spin_change = (9.8 * sin - cos * pushed) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    speed_change = pushed - 0.05 * spin_change * cos / 1.1
    return state + 0.02 * np.stack([speed, speed_change, spin, spin_change], axis=1)


def chance_of_right(params, state):
    hidden = np.tanh(state @ params["w1"] + params["b1"])
    return 1 / (1 + np.exp(-(hidden @ params["w2"])))


def play(params):
    """All carts at once, each until its pole falls: states, actions, and whether the cart still stood."""
    state = rng.uniform(-0.05, 0.05, size=(CARTS, 4))
    standing = np.ones(CARTS, dtype=bool)
    states, actions, alive = [], [], []
    for _ in range(STEPS):
        right = rng.random(CARTS) < chance_of_right(params, state)
        states.append(state)
        actions.append(right)
        alive.append(standing)
        state = push(state, right)
        standing = standing & (np.abs(state[:, 0]) < 2.4) & (np.abs(state[:, 2]) < 0.2095)
        if not standing.any():
            break
    return np.stack(states), np.stack(actions), np.stack(alive)


def returns(alive):
    """The discounted number of steps that each cart still stands, less the mean, in standard deviations."""
    total, later = np.zeros(alive.shape), np.zeros(CARTS)
    for step in reversed(range(len(alive))):
        later = (1 + 0.97 * later) * alive[step]
        total[step] = later
    kept = total[alive]
    return np.where(alive, (total - kept.mean()) / (kept.std() + 1e-8), 0)


def loss(params, states, actions, advantage):
    chance = chance_of_right(params, states)
    taken = np.where(actions, chance, 1 - chance)
    return -np.sum(np.log(taken + 1e-9) * advantage) / CARTS / 10


params = {"w1": rng.normal(size=(4, 16)) * 0.5, "b1": np.zeros(16), "w2": rng.normal(size=16) * 0.1}
mean, square = ({name: np.zeros_like(each) for name, each in params.items()} for _ in range(2))
for step in range(1, 41):
    states, actions, alive = play(params)
    gradient = np.grad(loss)(params, states, actions, returns(alive))
    for name, g in gradient.items():  # Adam
        mean[name] = 0.9 * mean[name] + 0.1 * g
        square[name] = 0.99 * square[name] + 0.01 * g**2
        params[name] -= 0.03 * mean[name] / (1 - 0.9**step) / (np.sqrt(square[name] / (1 - 0.99**step)) + 1e-8)
    if step == 1 or step % 10 == 0:
        print(f"round {step}  steps until it falls {float(alive.sum() / CARTS):.1f}", flush=True)

print(f"mean over 32 new carts {float(play(params)[2].sum() / CARTS):.1f} of {STEPS}")
