"""Gopher's rules of what is prose (Rae et al. 2021, arXiv:2112.11446, table A1).

Counted without tables: they are wanted here, and are no prose. The upper limit of words is left
out, for guidelines are long; the lower one is the recipe's ``min_words``.
"""

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
_MEAN_LENGTH = (3, 10)
_MOST_SYMBOLS = 0.1
_MOST_BULLETS = 0.9
_MOST_ELLIPSES = 0.3
_LEAST_ALPHABETIC = 0.8
_LEAST_STOP_WORDS = 2


def fault_of(text: str) -> str | None:
    """The first rule that a text breaks, with what was measured; None for prose."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("|")]
    words = " ".join(lines).split()
    if not words:
        return "no words beside tables"
    length = sum(map(len, words)) / len(words)
    symbols = (text.count("#") + text.count("...") + text.count("…")) / len(words)
    bullets = sum(line.lstrip().startswith(("- ", "* ", "•")) for line in lines) / len(lines)
    ellipses = sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines)
    alphabetic = sum(any(map(str.isalpha, word)) for word in words) / len(words)
    stops = len(STOP_WORDS.intersection(word.lower() for word in words))
    broken = {
        f"mean word of {length:.1f} letters": not _MEAN_LENGTH[0] <= length <= _MEAN_LENGTH[1],
        f"{symbols:.2f} symbols a word": symbols > _MOST_SYMBOLS,
        f"{bullets:.0%} bullets": bullets > _MOST_BULLETS,
        f"{ellipses:.0%} of lines end in an ellipsis": ellipses > _MOST_ELLIPSES,
        f"{alphabetic:.0%} of words have a letter": alphabetic < _LEAST_ALPHABETIC,
        f"{stops} stop words": stops < _LEAST_STOP_WORDS,
    }
    return next((told for told, is_broken in broken.items() if is_broken), None)
