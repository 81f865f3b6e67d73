"""`monosome export`: a language model as a folder that transformers and vLLM load, and as an ONNX file."""

import warnings
from pathlib import Path

from monosome.atomic import replacing
from monosome.commands.output import print_json
from monosome.errors import DataError
from monosome.protein.exchange import export_onnx
from monosome.protein.generate import load_generator
from monosome.protein.pretrained import content_hash, quiet


def run(checkpoint: str, out: Path, *, onnx: bool, json: bool) -> None:
    """Write the folder, with `onnx` model.onnx too, and say where and how exact it is.

    Raises DataError when `out` is there already.
    """
    if out.exists():
        raise DataError(f"{out} is there already", "give another name, or move it away")
    model, tokenizer = load_generator(checkpoint)
    with replacing(out) as temporary:
        temporary.mkdir()
        with quiet():
            model.to("cpu").save_pretrained(temporary)  # type: ignore[operator]
        tokenizer.save(temporary)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.onnx warns of its own internals
            gap = export_onnx(model, temporary) if onnx else None
    if json:
        print_json({"out": str(out), "model_hash": content_hash(model), "onnx_gap": gap})
        return
    print(f"{out}: config.json, model.safetensors and tokenizer, for transformers and vLLM")
    if gap is not None:
        print(f"{out / 'model.onnx'}: logits within {gap:.1e} of PyTorch's")
