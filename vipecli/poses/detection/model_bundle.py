"""MediaPipe's pose landmarker bundle (`.task`), made from the two models of its wheel.

The models of the wheel lack the metadata from which MediaPipe scales its input image. They are
added here with the FlatBuffers schemas that every mediapipe carries; its own metadata writer needs
native code that newer versions lack.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = {
    "pose_detector.tflite": "modules/pose_detection/pose_detection.tflite",
    "pose_landmarks_detector.tflite": "modules/pose_landmark/pose_landmark_full.tflite",
}
"""Name in the bundle -> file below the folder of the installed mediapipe, up to 0.10.21."""

# Mean and standard deviation of the input image, per model. With a deviation of 1 instead of 255
# the landmark model still runs, and its joints are badly wrong.
_NORMALISATION = {
    "pose_detector.tflite": (127.5, 127.5),
    "pose_landmarks_detector.tflite": (0.0, 255.0),
}
_METADATA_NAME = b"TFLITE_METADATA"
_TFLITE, _METADATA = b"TFL3", b"M001"  # identifiers of the two FlatBuffers files
_PARSER_VERSION = "1.0.0"  # the oldest that reads what is written here
_RGB, _IMAGE, _NORMALISE = 1, 2, 1  # of the schema's enumerations


def write_bundle(read: Callable[[str], bytes], target: Path) -> None:
    """Write the bundle: both models with their metadata, uncompressed, since MediaPipe maps them.

    Parameters
    ----------
    read
        content of a file of the wheel, a value of `PARTS`.
    target
        file to write; the same models give the same bytes.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for name, source in PARTS.items():
            model = with_normalisation(read(source), *_NORMALISATION[name])
            bundle.writestr(zipfile.ZipInfo(name), model)  # a fixed date


def is_bundle(path: Path) -> bool:
    """Return whether a file is a readable zip with the two models in it."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return set(PARTS) <= set(bundle.namelist())
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return False


def with_normalisation(model: bytes, mean: float, std: float) -> bytes:
    """Return a TFLite model with metadata from which MediaPipe scales its input image.

    Parameters
    ----------
    model
        content of a `.tflite` file; metadata that it has are replaced.
    mean, std
        input = (pixel - mean) / std, pixels in [0, 255].
    """
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as schema

    network = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    content = schema.BufferT()
    content.data = _metadata(len(network.subgraphs[0].outputs), mean, std)
    entries = network.metadata or []
    old = [entry.buffer for entry in entries if entry.name == _METADATA_NAME]
    if old:
        network.buffers[old[0]] = content
    else:
        entry = schema.MetadataT()
        entry.name, entry.buffer = _METADATA_NAME, len(network.buffers)
        network.metadata = [*entries, entry]
        network.buffers.append(content)
    builder = flatbuffers.Builder(0)
    builder.Finish(network.Pack(builder), _TFLITE)
    file = io.BytesIO(builder.Output())
    with zipfile.ZipFile(file, "a"):  # files that belong to a model follow it as a zip: none
        pass
    return file.getvalue()


def _metadata(outputs: int, mean: float, std: float) -> bytes:
    """Metadata of a model with one input, an RGB image, and some outputs."""
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [_image_input(schema, mean, std)]
    graph.outputTensorMetadata = [_output(schema) for _ in range(outputs)]
    model = schema.ModelMetadataT()
    model.name, model.minParserVersion = "pose", _PARSER_VERSION
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), _METADATA)
    return bytes(builder.Output())


def _image_input(schema: Any, mean: float, std: float) -> Any:
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = "image", "Input image to be processed."
    tensor.content = schema.ContentT()
    tensor.content.contentPropertiesType = _IMAGE
    tensor.content.contentProperties = schema.ImagePropertiesT()
    tensor.content.contentProperties.colorSpace = _RGB
    scaling = schema.ProcessUnitT()
    scaling.optionsType, scaling.options = _NORMALISE, schema.NormalizationOptionsT()
    scaling.options.mean, scaling.options.std = [mean], [std]
    tensor.processUnits = [scaling]
    tensor.stats = schema.StatsT()
    tensor.stats.max, tensor.stats.min = [(255 - mean) / std], [(0 - mean) / std]
    return tensor


def _output(schema: Any) -> Any:
    tensor = schema.TensorMetadataT()
    tensor.name = "Identity"
    return tensor
