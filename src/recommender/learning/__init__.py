"""WHAT WE LEARN: the reward model, its calibration and its tuning (lightgbm and optuna live only here)."""
