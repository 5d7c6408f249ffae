# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from videomae import VideoMAEForPreTraining
from videomae.masking import positions_from_mask, random_mask, running_cell_mask, tube_mask
from videomae.modeling_videomae import reconstruction_targets
from videomae.visualization import reconstruct


@pytest.fixture
def clip():
    """Smooth in space, so that statistics of neighbours say something, and different in every frame and channel."""
    torch.manual_seed(0)
    rows, columns = torch.linspace(0, 100, 24)[:, None], torch.linspace(0, 80, 32)
    frames = torch.stack([(rows + columns + 10 * i).expand(3, 24, 32) for i in range(4)])
    return (frames + 20 * torch.arange(3)[:, None, None] + 4 * torch.rand(4, 3, 24, 32)).to(torch.uint8)


@pytest.fixture
def mask(tiny_config):
    return tube_mask(tiny_config().grid, 0.75, generator=torch.Generator().manual_seed(0))


def upsampled(mask, config):
    flags = mask.view(config.grid)
    return flags.repeat_interleave(2, 0).repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None].expand(4, 3, 24, 32)


class Perfect(torch.nn.Module):
    """Says the target itself: what a network that has learned everything would predict."""

    def __init__(self, config, clip):
        super().__init__()
        self.config, self.clip, self.device = config, clip, torch.device("cpu")

    def forward(self, pixel_values, visible_positions, decoded_positions):
        targets = reconstruction_targets(self.clip[None], self.config, decoded_positions)
        return type("Output", (), {"logits": targets})


def test_visible_patches_stay_and_hidden_ones_go_grey(tiny_config, clip, mask):
    config = tiny_config()
    result = reconstruct(VideoMAEForPreTraining(config), clip, mask)
    hidden = upsampled(mask, config)
    assert torch.equal(result.original, clip)
    for version in (result.masked, result.honest, result.with_hidden_statistics):
        assert torch.equal(version[~hidden], clip[~hidden])
    assert (result.masked[hidden] == 128).all()


def test_a_perfect_prediction_with_true_statistics_is_the_original(tiny_config, clip, mask):
    result = reconstruct(Perfect(tiny_config(), clip), clip, mask)
    assert (result.with_hidden_statistics.int() - clip.int()).abs().max() <= 1
    assert result.psnr > result.baseline_psnr


def test_raw_pixel_networks_need_no_statistics(tiny_config, clip, mask):
    result = reconstruct(Perfect(tiny_config(norm_pix_loss=False), clip), clip, mask)
    assert result.with_hidden_statistics is None
    assert (result.honest.int() - clip.int()).abs().max() <= 1


def test_the_honest_picture_knows_nothing_of_the_hidden_patches(tiny_config, clip, mask):
    config = tiny_config()
    model = VideoMAEForPreTraining(config)
    other = torch.where(upsampled(mask, config), 255 - clip, clip)
    first, second = reconstruct(model, clip, mask), reconstruct(model, other, mask)
    assert torch.equal(first.honest, second.honest)
    assert not torch.equal(first.with_hidden_statistics, second.with_hidden_statistics)


def test_statistics_come_from_the_near_patches(tiny_config, mask):
    """Left half dark, right half bright: a hidden patch is filled with the brightness of its side."""
    config = tiny_config(image_size=[24, 64])
    clip = torch.full((4, 3, 24, 64), 40, dtype=torch.uint8)
    clip[..., 32:] = 200
    columns = torch.arange(8).repeat(2 * 3)
    visible = (columns == 0) | (columns == 7)
    result = reconstruct(VideoMAEForPreTraining(config), clip, ~visible)
    assert result.honest[:, :, :, 8:16].float().mean() < 90
    assert result.honest[:, :, :, 48:56].float().mean() > 150


def test_the_flattering_row_is_drawn_on_demand_and_says_what_it_is(tiny_config, clip, mask):
    model = VideoMAEForPreTraining(tiny_config())
    result = reconstruct(model, clip, mask)
    assert [row.caption for row in result.rows()] == ["original", "masked", "reconstructed"]
    *honest, flattering = result.rows(true_statistics=True)
    assert len(honest) == 3 and flattering.caption == "flattered" and "does not know" in flattering.note
    assert (torch.from_numpy(flattering.frames).permute(0, 3, 1, 2) == result.with_hidden_statistics).all()
    raw = reconstruct(VideoMAEForPreTraining(tiny_config(norm_pix_loss=False)), clip, mask)
    assert len(raw.rows(true_statistics=True)) == 3


def test_rows_tell_what_is_hidden_and_how_good_the_guess_is(tiny_config, clip, mask):
    result = reconstruct(VideoMAEForPreTraining(tiny_config()), clip, mask)
    original, masked, honest = result.rows()
    assert original.note == "" and masked.note == "75 % hidden"
    assert (
        honest.note
        == f"PSNR {result.psnr:.1f} dB (hidden patches filled with the mean: {result.baseline_psnr:.1f} dB)"
    )


def test_patches_that_the_decoder_leaves_out_stay_grey_and_do_not_count(tiny_config, clip):
    """VideoMAE V2: the decoder predicts a part of the patches, of which some are visible."""
    config = tiny_config(image_size=[16, 32], norm_pix_loss=False)
    clip = clip[..., :16, :].contiguous()
    masked = random_mask(config.grid, 0.75, generator=torch.Generator().manual_seed(1))
    decoded = running_cell_mask(config.grid, 0.5, phase=1)
    assert (decoded & ~masked).any() and (masked & ~decoded).any()
    result = reconstruct(Perfect(config, clip), clip, masked, decoded)
    t, h, w = (axis.flatten() for axis in torch.meshgrid(*map(torch.arange, config.grid), indexing="ij"))
    for position in range(config.num_patches):
        block = (slice(2 * t[position], 2 * t[position] + 2), slice(None))
        block += tuple(slice(8 * place[position], 8 * place[position] + 8) for place in (h, w))
        drawn, true = result.honest[block].int(), clip[block].int()
        if masked[position] and not decoded[position]:
            assert (drawn == 128).all()
        else:
            assert (drawn - true).abs().max() <= 1
    assert result.psnr > 90  # a perfect prediction, over the patches that are predicted
    assert result.predicted_share == (masked & decoded).sum() / masked.sum()
    assert result.rows()[2].note.endswith(
        f"; {100 * result.predicted_share:.0f} % of the hidden patches are predicted"
    )


OWN_UNITS = {"image_mean": [1000.0, -3.0], "image_std": [250.0, 0.5]}


@pytest.fixture
def floats():
    """A normalised clip of two channels, as the processor gives it for arrays of floats."""
    torch.manual_seed(0)
    return torch.randn(4, 2, 24, 32).cumsum(-1)


@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_floats_are_drawn_from_the_smallest_to_the_largest_of_each_channel(tiny_config, floats, mask, norm_pix_loss):
    config = tiny_config(num_channels=2, norm_pix_loss=norm_pix_loss, **OWN_UNITS)
    result = reconstruct(Perfect(config, floats), floats, mask)
    low, high = (getattr(floats, which)(dim=(0, 2, 3), keepdim=True) for which in ("amin", "amax"))
    expected = (255 * (floats - low) / (high - low)).round().to(torch.uint8)
    assert result.is_rescaled and (result.original.int() - expected.int()).abs().max() <= 1
    perfect = result.with_hidden_statistics if norm_pix_loss else result.honest
    assert (perfect.int() - result.original.int()).abs().max() <= 1
    assert norm_pix_loss or result.psnr > 60
    hidden = upsampled(mask, config)[:, :2]
    assert (result.masked[hidden] == 128).all() and torch.equal(result.masked[~hidden], result.original[~hidden])


def test_the_peak_of_the_psnr_of_floats_is_the_range_of_their_channel(tiny_config, floats, mask):
    config = tiny_config(num_channels=2, norm_pix_loss=False, **OWN_UNITS)
    span = floats.amax(dim=(0, 2, 3)) - floats.amin(dim=(0, 2, 3))
    off = floats + 0.1 * span[:, None, None]  # a tenth of the range, where nothing is clipped
    inside = floats.clone()
    inside[:, :, 0, 0] = (floats.amax(dim=(0, 2, 3)) + span)[None]  # a visible pixel that widens the range to double
    mask[[0, 12]] = False  # the patches of that pixel
    result = reconstruct(Perfect(config, off), inside, mask)
    assert result.psnr == pytest.approx(-20 * torch.tensor(0.05).log10().item(), abs=1e-3)


def test_a_channel_of_one_value_is_drawn(tiny_config, floats, mask):
    floats[:, 1] = 2.0
    result = reconstruct(VideoMAEForPreTraining(tiny_config(num_channels=2, **OWN_UNITS)), floats, mask)
    assert (result.original[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("channels", "shown", "note"),
    [
        (1, [0, 0, 0], ""),
        (2, [0, 0, 0], "channel 0 of 2"),
        (3, [0, 1, 2], ""),
        (4, [0, 1, 2], "channels 0, 1, 2 of 4"),
        (13, [0, 1, 2], "channels 0, 1, 2 of 13"),
    ],
)
def test_the_first_channels_are_drawn_and_the_note_says_which(tiny_config, mask, channels, shown, note):
    statistics = {"image_mean": [0.0] * channels, "image_std": [1.0] * channels}
    model = VideoMAEForPreTraining(tiny_config(num_channels=channels, **statistics))
    clip = torch.randint(0, 256, (4, channels, 24, 32), dtype=torch.uint8)
    original = reconstruct(model, clip, mask).rows()[0]
    assert torch.equal(torch.from_numpy(original.frames), clip[:, shown].permute(0, 2, 3, 1))
    assert original.note == note
    rescaled = "; ".join(part for part in (note, "each from its smallest to its largest value") if part)
    assert reconstruct(model, clip.float(), mask).rows()[0].note == rescaled


def test_the_model_draws_without_dropout_and_keeps_its_mode(tiny_config, clip, mask):
    model = VideoMAEForPreTraining(tiny_config(hidden_dropout_prob=0.5)).train()
    model.decoder.eval()
    first, second = reconstruct(model, clip, mask), reconstruct(model, clip, mask)
    assert torch.equal(first.honest, second.honest)
    assert model.videomae.training and not model.decoder.training


def test_a_mask_of_another_grid_raises(tiny_config, clip):
    with pytest.raises(ValueError, match=r"\(1, 12\), wanted \(B, 24\)"):
        reconstruct(VideoMAEForPreTraining(tiny_config()), clip, tube_mask((1, 3, 4), 0.5))


def test_positions_and_pictures_number_patches_alike(tiny_config, clip):
    mask = torch.ones(24, dtype=torch.bool)
    mask[7] = False  # t 0, row 1, column 3
    assert positions_from_mask(mask[None])[0].tolist() == [[7]]
    masked = reconstruct(VideoMAEForPreTraining(tiny_config()), clip, mask).masked
    assert torch.equal(masked[0:2, :, 8:16, 24:32], clip[0:2, :, 8:16, 24:32])
    assert (masked[2:] == 128).all()
