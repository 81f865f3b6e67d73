"""What changes from step to step by plan: pure functions of the step, so that a resumed run needs no state."""

import math

from monosome.config import OptimConfig


def learning_rate(config: OptimConfig, steps: int, step: int) -> float:
    """The learning rate of a step, counted from 0, in a run of `steps`.

    Linear warm-up that reaches the peak at step `warmup_steps` - 1, then cosine decay (Loshchilov & Hutter, arXiv
    1608.03983), a constant, or a constant with a linear decay at the end (warm-up-stable-decay, arXiv 2405.18392).
    Cosine and wsd end at `final_ratio` of the peak in the last step.
    """
    done = step + 1
    warm_up = min(1.0, done / max(1, config.warmup_steps))
    match config.schedule:
        case "constant":
            decay = 0.0
        case "cosine":
            decay = (1 - math.cos(math.pi * _progress(done, config.warmup_steps, steps))) / 2
        case "wsd":
            decay = _progress(done, steps - round(config.decay_share * steps), steps)
    return config.learning_rate * warm_up * (1 - decay * (1 - config.final_ratio))


def average_decay(decay: float, step: int) -> float:
    """The decay of the moving average of the weights at a step, counted from 0.

    It rises as (1 + n) / (10 + n) after n steps (TensorFlow's ExponentialMovingAverage with num_updates): with a
    constant 0.999, a run of 1,000 steps would still carry 37 % of its random first weights.
    """
    return min(decay, (1 + step) / (10 + step))


def _progress(done: int, start: int, end: int) -> float:
    return min(1.0, max(0, done - start) / max(1, end - start))
