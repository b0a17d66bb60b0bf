"""Public names as type checkers see them; `__init__.py` imports them on first use."""

from vipecli.alignment.settings import Settings as Settings
from vipecli.alignment.time_map import speed as speed
from vipecli.alignment.time_map import warp as warp
from vipecli.alignment.warping_path import Alignment as Alignment
from vipecli.api import align as align
from vipecli.api import classify as classify
from vipecli.api import compare as compare
from vipecli.api import embed as embed
from vipecli.api import lift as lift
from vipecli.api import search as search
from vipecli.embedding.model import Embeddings as Embeddings
from vipecli.embedding.model import Model as Model
from vipecli.errors import VipeError as VipeError
from vipecli.index.classify import Ranking as Ranking
from vipecli.outputs.results import Aligned as Aligned
from vipecli.outputs.tables import to_pandas as to_pandas
from vipecli.poses.detect import detect as detect
from vipecli.poses.poses import Poses as Poses

__version__: str
