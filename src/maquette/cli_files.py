"""Commands that turn one kind of file into another: meshes and codes, published and trained weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import tyro

Positional = tyro.conf.Positional


def encode(
    mesh: Positional[Path],
    out: Path = Path("codes.json"),
    codec: str = "tiny",
    convention: Literal["", "centred", "shapellm", "3dgen-r1"] = "",
    refine: int = 0,
    bfloat16: bool = False,
) -> None:
    """A mesh as the codes of a shape codec.

    Args:
        mesh: .glb, .gltf, .obj, .ply or .stl.
        out: The file to write.
        codec: tiny, a folder, or a repository in the hub's cache.
        convention: How the mesh is placed in the grid; by default as the codec was taught.
        refine: Steps of search for codes that give the shape back more faithfully than the encoder's own; 40 are a good number.
        bfloat16: Compute in bfloat16: several times as fast where the processor has it; elsewhere it changes nothing.
    """
    from maquette.codec.voxel_codec import VoxelCodec
    from maquette.outputs import output_file, write_text
    from maquette.shape.files import read_mesh

    output_file(out)
    shapes = VoxelCodec.load(codec, bfloat16=bfloat16)
    codes = shapes.encode(shapes.voxelise(read_mesh(mesh), convention or None), refine)[0].tolist()
    write_text(out, json.dumps({"codec": codec, "codes": codes}) + "\n")
    print(f"→ {out} ({len(codes)} codes)")


def decode(
    codes: Positional[Path],
    out: Path = Path("shape.glb"),
    codec: str = "tiny",
    paint: Literal["surface", "trellis"] = "surface",
    prompt: str = "",
) -> None:
    """Codes as a mesh.

    Args:
        codes: What `maquette encode` wrote.
        out: The file to write; .glb, .obj, .ply or .stl.
        codec: tiny, or a folder: the one that encoded.
        paint: surface has the codec's own colours, an installed TRELLIS bakes a texture into a .glb.
        prompt: By what TRELLIS paints.
    """
    import torch

    from maquette.codec.voxel_codec import VoxelCodec
    from maquette.gaussian_views import open_mesher
    from maquette.outputs import output_file
    from maquette.shape.files import check_writable_kind, write_mesh
    from maquette.shape.trellis import TrellisMesher

    check_writable_kind(output_file(out))
    mesher = open_mesher(paint)[0]
    shapes = VoxelCodec.load(codec).decode(torch.tensor(read_codes(codes))[None])
    if isinstance(mesher, TrellisMesher) and out.suffix.lower() == ".glb" and shapes.occupancy.any():
        mesher.textured(shapes, [prompt], [out])
    else:
        write_mesh(mesher.mesh(shapes, [prompt])[0], out)
    print(f"→ {out}")


def convert_codec(source: Positional[str], out: Path = Path("codec")) -> None:
    """The published codec's 3DVQVAE.bin as a folder of safetensors, once.

    Args:
        source: The file, or its repository in the hub's cache (yejunliang23/3DVQVAE).
        out: The folder to write.
    """
    from maquette.codec.published import convert_codec
    from maquette.outputs import make_run_folder

    make_run_folder(out.parent)
    shapes = convert_codec(source, out)
    print(f"→ {out} ({shapes.codes_per_shape} codes of {shapes.codebook_size})")


def export(model: Positional[str], out: Path) -> None:
    """A trained policy as one folder that plain `transformers` loads: adapters merged, with a model card.

    Args:
        model: The folder of a run, of adapters, or of a model.
        out: The folder to write; it must be empty or not there.
    """
    from maquette.outputs import make_run_folder
    from maquette.policy.export import export_policy
    from maquette.runs import source_of

    make_run_folder(out.parent)
    print(f"→ {export_policy(source_of(model).model, out)}")


def read_codes(path: Path) -> list[int]:
    """The list `codes` of a JSON file; ValueError where there is none."""
    try:
        codes = json.loads(path.read_text())["codes"]
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not what `maquette encode` writes: JSON with a list "codes".') from error
    # of what is a number but no code, which -1 is too, the decoder has its own sentence
    if not isinstance(codes, list) or not all(type(code) is int and abs(code) < 2**31 for code in codes):
        raise ValueError(f"{path}: `codes` must be a list of whole numbers below 2,147,483,648.")
    return codes
