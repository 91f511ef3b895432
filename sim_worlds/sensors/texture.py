"""Random textures for walls and floors."""

from __future__ import annotations

import numpy as np

__all__ = ["band_passed_noise"]


def band_passed_noise(
    rng: np.random.Generator, shape: tuple[int, int], wavelength: float, width: float, std: float, scale: float = 1.0
) -> np.ndarray:
    """Return periodic Gaussian noise with a typical wavelength, float32, with mean 0.

    The spectrum of the noise is a Gaussian in the logarithm of the spatial frequency.

    shape : shape of the noise
    wavelength : wavelength at the centre of the spectrum
    width : width of the spectrum [e-folds of the frequency]
    std : standard deviation of the noise
    scale : number of texels in the unit of ``wavelength``
    """
    periods = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]) * scale * wavelength
    periods[0, 0] = 1e-9  # the mean, which the filter removes
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * np.exp(-0.5 * (np.log(periods) / width) ** 2)
    texture = np.fft.irfft2(spectrum, s=shape)
    return (texture * (std / texture.std())).astype(np.float32)
