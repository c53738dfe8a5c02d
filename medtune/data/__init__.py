"""From rows to token ids with a proven mask: templates, encoding, splits, the account of rows."""

from medtune.data.encoding import Encoded, Encoder
from medtune.data.packing import best_fit
from medtune.data.prepare import Prepared, PreparedSplit, prepare
from medtune.data.template import ChatTemplate, choose_pad_id, make_template

__all__ = [
    "ChatTemplate",
    "Encoded",
    "Encoder",
    "Prepared",
    "PreparedSplit",
    "best_fit",
    "choose_pad_id",
    "make_template",
    "prepare",
]
