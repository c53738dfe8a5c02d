"""From rows to token ids with a proven mask: what is read, kept, left out, and why."""

from medtune.data.cache import make_key
from medtune.data.canaries import Planted, draw_canaries, take_canaries
from medtune.data.encoding import Encoded, Encoder
from medtune.data.material import Material, read_material
from medtune.data.packing import best_fit
from medtune.data.prepare import Prepared, PreparedSplit, Workshop, prepare, scratch_folder
from medtune.data.store import token_ids
from medtune.data.template import ChatTemplate, choose_pad_id, make_template

__all__ = [
    "ChatTemplate",
    "Encoded",
    "Encoder",
    "Material",
    "Planted",
    "Prepared",
    "PreparedSplit",
    "Workshop",
    "best_fit",
    "choose_pad_id",
    "draw_canaries",
    "make_key",
    "make_template",
    "prepare",
    "read_material",
    "scratch_folder",
    "take_canaries",
    "token_ids",
]
