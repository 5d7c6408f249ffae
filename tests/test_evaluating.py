# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest
from torch import nn

from videomae.evaluating import evaluating


def test_every_module_is_in_evaluation_mode_and_then_in_its_own_again():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Dropout(0.5)))
    model[0].eval()
    modes = [module.training for module in model.modules()]
    assert modes == [True, False, True, True]
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(RuntimeError, match="interrupted"), evaluating(model):
        raise RuntimeError("interrupted")
    assert [module.training for module in model.modules()] == modes
