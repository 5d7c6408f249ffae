# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The programs behind `videomae VERB`; installed as `videomae.scripts`."""
