"""Whether colours can be told apart, by the contrast ratio of WCAG 2: (brighter + 0.05) / (darker + 0.05)."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.image import imread
from playwright.sync_api import Page

# Running text against what is painted behind it, translucent layers included.
_CONTRASTS = """() => {
  const channels = colour => {
    const [red, green, blue, alpha] = colour.match(/[\\d.]+/g).map(Number);
    return [red, green, blue, alpha === undefined ? 1 : alpha];
  };
  const over = (top, below) => top.slice(0, 3).map((value, at) => value * top[3] + below[at] * (1 - top[3]));
  const behind = element => {
    const layers = [];
    for (let box = element; box; box = box.parentElement) {
      const layer = channels(getComputedStyle(box).backgroundColor);
      layers.unshift(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = rgb => rgb.map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const parts = 'p, li, td, th, a, h1, h2, h3, pre, code, summary, .caption-text, .caption-number';
  const texts = parts.split(', ').map(part => 'article ' + part).join(', ');
  return [...document.querySelectorAll(texts)].filter(part => part.checkVisibility() && part.innerText?.trim()
      && !part.closest('mjx-container')).map(part => {
    const below = behind(part), ink = over(channels(getComputedStyle(part).color), below);
    const [dark, bright] = [luminance(ink), luminance(below)].sort((one, other) => one - other);
    const label = part.tagName.toLowerCase() + ' “' + part.innerText.trim().slice(0, 60) + '”';
    return [(bright + 0.05) / (dark + 0.05), label];
  });
}"""


def contrast_problems(tab: Page, least: float = 4.5) -> list[str]:
    """Return the text of the open page that stands out less than WCAG 2 (1.4.3) asks for."""
    return [f"contrast {ratio:.1f}: {text}" for ratio, text in tab.evaluate(_CONTRASTS) if ratio < least]


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB colours in [0, 1], shape (..., 3) -> (...)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def figure_contrast(png: bytes) -> float:
    """Return the contrast of a picture's darkest parts, its lettering, with its most frequent colour, its ground."""
    pixels = imread(io.BytesIO(png), format="png")[..., :3].reshape(-1, 3)
    colours, counts = np.unique(pixels.round(2), axis=0, return_counts=True)
    ground, ink = luminance(colours[counts.argmax()]), np.quantile(luminance(pixels), 0.002)
    return float((ground + 0.05) / (ink + 0.05))
