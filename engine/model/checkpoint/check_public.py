"""Checking a public checkpoint directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import WeightsError
from engine.model.checkpoint.companions import OnProgress
from engine.model.checkpoint.deep import read_everything
from engine.model.checkpoint.expected import compared, differences, expected_tensors
from engine.model.checkpoint.findings import REFUSED, Findings
from engine.model.checkpoint.infer import HasShape, text_config_of, vae_config_of
from engine.model.checkpoint.model_files import header_of, name_of
from engine.model.checkpoint.pickles import load_pickled
from engine.model.checkpoint.public import CONFIG, FETCH, INDEX, PICKLES, TOKENIZER, PublicDirectory
from engine.model.checkpoint.sums import demanded_hashes
from engine.model.config import SPEECH_LAYERS, TransformerConfig
from engine.model.header import Entry, explain_other_file
from engine.model.manifest import SPEECH, TEXT, TRANSFORMER, VAE, Manifest
from engine.model.text import TextConfig, VocabularyTokenizer
from engine.model.vae import VaeConfig

_HALF = (".incomplete", ".part", ".aria2", ".crdownload", ".download", ".tmp")
_KINDS = {"BF16", "F16", "F32"}
_OTHER_FILE = "It is another file than its name says, or of another model: fetch it again."


class PublicCheck:
    """One directory. `run` fills the findings."""

    def __init__(self, directory: Path, *, is_deep: bool, on_progress: OnProgress) -> None:
        self.findings = Findings(directory, "public checkpoint")
        self._public, self._is_deep, self._on_progress = PublicDirectory(directory), is_deep, on_progress
        self._config: TransformerConfig | None = None
        self._text: TextConfig | None = None
        self._speech_width: int | None = None

    def run(self) -> Findings:
        """Look at everything, whatever else is wrong."""
        directory, findings = self._public.directory, self.findings
        with findings.about(directory / CONFIG):
            findings.file(directory / CONFIG)
            self._config = self._public.config()
        self._look_at_transformer()
        for part in (TEXT, VAE, SPEECH):
            self._look_at_companion(part)
        self._look_at_words()
        self._look_at_the_fit()
        self._look_for_half_downloads()
        demanded: Mapping[Path, str] = {}
        with findings.about("SHA256SUMS"):
            demanded = demanded_hashes(directory)
        for path in demanded:
            if not path.is_file():
                findings.warning(path, "is on the list of sums, but not there.", FETCH, "summed_but_gone")
        if self._is_deep:
            read_everything(findings, [directory / name for name in findings.files], demanded, self._on_progress)
        if self._config is not None:
            findings.notes.insert(0, f"shape: {name_of(self._config, directory)}, {self._config.num_layers} layers")
        return findings

    def _manifest(self, **known: Any) -> Manifest:
        """What is known of the model so far, for `expected_tensors`; the rest is a stand-in that nothing depends on."""
        text = TextConfig(vocab_size=1, dim=1, dim_attn=1, dim_ffn=1, num_heads=1, encoder_layers=1)
        config = TransformerConfig(dim=2, ffn_dim=2, num_heads=1, num_layers=1, audio_dim=2)
        blank = Manifest(
            name="", is_trained=True, transformer=self._config or config, vae=VaeConfig(), speech={}, text=text,
            files={}, dtype="bfloat16", sha256="",
        )  # fmt: skip
        return dataclasses.replace(blank, **known)

    def _look_at_transformer(self) -> None:
        findings, directory = self.findings, self._public.directory
        index: dict[str, str] = {}
        names: list[str] = []
        with findings.about(INDEX):
            names = self._public.shard_names()
            index = self._public.index() if (directory / INDEX).exists() else {}
        where: dict[str, str] = {}
        entries: dict[str, Entry] = {}
        for name in names:
            for key, entry in self._header(directory / name).items():
                if key in where:
                    what = f"holds {key}, which is in {where[key]} too."
                    findings.problem(name, what, FETCH, "in_two_files", tensor=key, other=where[key])
                where[key], entries[key] = name, entry
        self._compare_with_index(index, where, names)
        if self._config is None or not names:
            return
        expected = expected_tensors(TRANSFORMER, self._manifest())
        findings.tensors["transformer"] = {"found": len(entries), "expected": len(expected)}
        if all(state["state"] == "ok" for state in (findings.files[name] for name in names)):
            for difference in differences(expected, entries):
                file = where.get(difference.first) or index.get(difference.first) or f"{names[0]} to {names[-1]}"
                findings.problem(file, f"{difference.what}.", _OTHER_FILE, difference.code, **difference.data)
        self._look_at_kinds(entries, where)

    def _header(self, path: Path) -> dict[str, Entry]:
        findings = self.findings
        if not findings.file(path):
            findings.problem(path, "is missing.", FETCH, "missing")
            return {}
        with findings.about(path):
            header = header_of(path)
            findings.files[findings.name(path)]["tensors"] = len(header)
            return header
        return {}

    def _compare_with_index(self, index: dict[str, str], where: dict[str, str], names: list[str]) -> None:
        findings = self.findings
        is_whole = all(findings.files[name]["state"] == "ok" for name in names)
        astray = [key for key, name in index.items() if where.get(key, name) != name]
        gone = [key for key in index if key not in where] if is_whole else []
        unlisted = [key for key in where if key not in index] if index else []
        for keys, what in (
            (astray, "lies in another shard than it says"), (gone, "is in no shard"), (unlisted, "is not in it"),
        ):  # fmt: skip
            if keys:
                what = f"does not fit the shards: {keys[0]} {what} ({len(keys)} such tensors)."
                remedy = "Fetch the index and the shards from the same place again."
                findings.problem(INDEX, what, remedy, "index_differs", tensor=keys[0], count=len(keys))

    def _look_at_kinds(self, entries: dict[str, Entry], where: dict[str, str]) -> None:
        odd = {key: entry.dtype for key, entry in entries.items() if entry.dtype not in _KINDS}
        if odd:
            key, kind = next(iter(odd.items()))
            what = f"holds numbers of kind {kind} ({key}); the network takes BF16, F16 or F32."
            self.findings.problem(where[key], what, "Use the published bf16 files.", "wrong_kind", kind=kind, tensor=key)
        kinds = {entry.dtype for entry in entries.values()}
        if len(kinds) > 1 and not odd:
            self.findings.notes.append(f"numbers of several kinds: {', '.join(sorted(kinds))}; all become one when loaded")

    def _look_at_companion(self, part: str) -> None:
        findings = self.findings
        try:
            path = self._public.companion(part)
        except WeightsError as error:
            problem = error.data.get("problem", REFUSED)
            findings.problem(part.removesuffix(".safetensors"), error.detail, error.hint, problem)
            return
        findings.file(path)
        with findings.about(path):
            is_pickle = path.suffix in PICKLES
            found: Mapping[str, HasShape] = load_pickled(path, "meta") if is_pickle else header_of(path)
            findings.files[findings.name(path)]["tensors"] = len(found)
            if is_pickle:
                findings.notes.append(f"{path.name} is converted when it is first used, or by `role_scheduler weights convert`")
            self._compare_companion(part, path, found)

    def _compare_companion(self, part: str, path: Path, found: Mapping[str, HasShape]) -> None:
        if part == TEXT:
            self._text = text_config_of(found, str(path))
            manifest = self._manifest(text=self._text)
        elif part == VAE:
            manifest = self._manifest(vae=vae_config_of(found, str(path)))
        else:
            speech = self._public.speech_config()
            self._speech_width = speech.get("hidden_size")
            manifest = self._manifest(speech=speech)
            if speech.get("num_hidden_layers") != SPEECH_LAYERS - 1:
                layers = {"found": speech.get("num_hidden_layers"), "wanted": SPEECH_LAYERS - 1}
                what = "has {found} layers, not {wanted}.".format_map(layers)
                self.findings.problem(path.parent / CONFIG, what, "Use the published speech encoder.", "other_depth", **layers)
        expected, compare = expected_tensors(part, manifest), compared(part, found)
        self.findings.tensors[part.removesuffix(".safetensors")] = {"found": len(compare), "expected": len(expected)}
        for difference in differences(expected, compare):
            self.findings.problem(path, f"{difference.what}.", _OTHER_FILE, difference.code, **difference.data)

    def _look_at_words(self) -> None:
        findings = self.findings
        with findings.about(TOKENIZER):
            for path in self._public.tokenizer_files():
                findings.file(path)
                with findings.about(path):
                    explain_other_file(path.read_bytes()[:512], str(path))
            if self._is_deep and not any(problem.file.startswith(TOKENIZER) for problem in findings.problems):
                VocabularyTokenizer(self._public.directory / TOKENIZER).ids("A person talks.", 16)

    def _look_at_the_fit(self) -> None:
        """The parts belong together."""
        config = self._config
        if config is None:
            return
        for width, wanted, part in (
            (self._text.dim if self._text else None, config.text_dim, TEXT),
            (self._speech_width, config.audio_dim, SPEECH),
        ):
            if width is not None and width != wanted:
                what = f"is {width} wide; the transformer takes {wanted}."
                with self.findings.about(part):
                    widths = {"found": width, "wanted": wanted}
                    self.findings.problem(self._public.companion(part), what, _OTHER_FILE, "other_width", **widths)

    def _look_for_half_downloads(self) -> None:
        for path in sorted(self._public.directory.rglob("*")):
            if path.suffix in _HALF and path.is_file():
                remedy = "Let the download go on, or remove it when all files are complete."
                self.findings.warning(path, "is an unfinished download.", remedy, "unfinished")

