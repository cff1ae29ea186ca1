"""Every family of the corpus by name."""

from maquette.corpus.families_buildings import BUILDINGS
from maquette.corpus.families_furniture import FURNITURE
from maquette.corpus.families_living import LIVING
from maquette.corpus.program import Family

FAMILIES: dict[str, Family] = {**FURNITURE, **LIVING, **BUILDINGS}
