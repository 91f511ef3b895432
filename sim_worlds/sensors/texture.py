"""Random textures for walls and floors."""

from __future__ import annotations

import numpy as np

__all__ = ["band_passed_noise"]


def band_passed_noise(
    rng: np.random.Generator, shape: tuple[int, int], wavelength: float, width: float, std: float, scale: float = 1.0
) -> np.ndarray:
    """Return Gaussian noise of one wavelength, ``shape`` float32, periodic, with mean 0 and standard deviation ``std``.

    Its spectrum is a Gaussian in the logarithm of the spatial frequency, ``width`` e-folds wide, centred on one period
    in ``wavelength``. ``scale`` is the number of texels in the unit of ``wavelength``.
    """
    periods = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]) * scale * wavelength
    periods[0, 0] = 1e-9  # the mean, which the filter removes
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * np.exp(-0.5 * (np.log(periods) / width) ** 2)
    texture = np.fft.irfft2(spectrum, s=shape)
    return (texture * (std / texture.std())).astype(np.float32)
