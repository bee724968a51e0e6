#!/usr/bin/env python3
"""Trains ours and the peers on the same work, in turn, and prints medians and ratios.

    python3 tests/peers/compare.py                      # all workloads, five rounds: hours
    python3 tests/peers/compare.py --only t5-16x128 --rounds 5 --threads 1
    python3 tests/peers/compare.py --json results.json
    python3 tests/peers/compare.py --device cuda:0 --json gpu.json --markdown gpu.md

The interpreter must be the one that tests/python/setup.sh prints. Programs are compiled first:

    cargo build --release --package compacter-tui

Lengths of real sentences (`sst2`, `rte`) are those that the model's own tokenizer gives; the data
is read from COMPACTER_SHARED. In each round every program runs once, in an order that turns, so
that a slow minute of the machine meets all of them; a cell is the median over rounds, a ratio the
median of the rounds' ratios, with the smallest and the largest behind it. What a peer does in bf16
is compared with mixed precision here, where the processor has it, all else with f32.

The peer is given its best: f32, bf16 autocast and, with `--compile`, `torch.compile`, on batches
as they come and, where lengths differ, on batches of similar length. `--avx2` holds both sides to
AVX2: ours as a program compiled without the `x86-v4` features of `gemm` and `pulp` in Cargo.toml
(`--program`), the peer by the variables that its libraries read.

With `--device cuda:0` both train T5-base and T5-small on batches of 100 × 128 tokens there, in f32,
TF32 and bf16, the peer as it comes and compiled, ours with its own CUDA kernels too; the program is
one compiled with `--features cuda`. A share is of the rate of matrix products in the same format,
which `compacter bench` measures in the same run.
"""

import argparse
import csv
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Ours is measured with the methods as the peers have them.
OURS = {
    "compacter": ["--method", "compacter", "--set", "reduction_factor=32", "--set", "n=4"],
    "lora": ["--method", "lora", "--set", "rank=8", "--set", 'targets=["q", "v"]'],
    "full": ["--method", "full"],
}
MODELS = {"t5": "t5-small", "minilm": "all-MiniLM-L6-v2"}
# `BertForSequenceClassification` reads the first token, through the pooler.
HELD = {"t5": [], "minilm": ["--pooling", "pooler"]}
UNIFORM = {"16x128": (16, 128), "32x64": (32, 64)}
REAL = {"sst2": 32, "rte": 32}
SENTENCES = 512

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


# What is measured on a GPU: models, and options of ours and of the peer by number format.
GPU_MODELS = ["t5-base", "t5-small"]
GPU_BATCH = ["--batch", 100, "--source", 128, "--target", 8]
GPU_FORMATS = {
    "f32": ([], []),
    "TF32": (["--tf32"], ["--tf32"]),
    "bf16": (["--dtype", "bf16"], ["--bf16"]),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", help="such as t5-16x128 or minilm-sst2")
    parser.add_argument("--methods", default="compacter,lora,full")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of each program, on even lengths")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--no-bf16", action="store_true", help="leave bf16 autocast out")
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--program", default=ROOT / "target/release/compacter", type=pathlib.Path)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:0 for the GPU's workloads")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path, help="the GPU's table")
    return parser.parse_args()


def sentences(name):
    """The first and second texts of a data set's rows."""
    shared = os.environ.get("COMPACTER_SHARED")
    if not shared:
        sys.exit("compare.py: set COMPACTER_SHARED to the folder with data/SST-2 and data/RTE")
    folder = {"sst2": "SST-2", "rte": "RTE"}[name]
    with open(pathlib.Path(shared) / "data" / folder / "train.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    random.Random(1).shuffle(rows)
    columns = [key for key in rows[0] if key.startswith("sentence")]
    return [[row[column] for column in columns] for row in rows[:SENTENCES]]


def tokenizer(model):
    from tokenizers import Tokenizer

    if model == "minilm":
        script = ROOT / "tests/python/fetch_minilm.sh"
        folder = subprocess.check_output([script], text=True).strip()
        found = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
        found.no_padding()
        found.no_truncation()
        return lambda texts: len(found.encode(*texts).ids)
    import sentencepiece

    shared = pathlib.Path(os.environ["COMPACTER_SHARED"])
    found = sentencepiece.SentencePieceProcessor()
    found.Load(str(shared / "tokenizers/t5-spiece.model"))
    return lambda texts: len(found.EncodeAsIds(" ".join(texts))) + 1


def lengths_file(model, data, folder):
    length = tokenizer(model)
    path = folder / f"{model}-{data}.txt"
    # Answers are one word and the end.
    lines = [f"{min(length(texts), 128)} 2" for texts in sentences(data)]
    path.write_text("\n".join(lines) + "\n")
    return path


def has_bf16():
    """Whether the processor multiplies bf16, which mixed precision here asks for."""
    try:
        return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def run(command, extra):
    output = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if output.returncode != 0:
        lines = output.stderr.strip().splitlines() or ["no message"]
        # A traceback ends with its error, which may end with advice.
        errors = [line for line in lines if "Error: " in line]
        return {"failed": (errors or lines)[-1]}
    return json.loads(output.stdout.splitlines()[-1])


def programs(args, model, method, work, threads):
    """What is run, by name; ours first."""
    common = ["--threads", threads, *work]
    name = MODELS[model]
    ours = [args.program, "bench", "--json", "--model", name, *OURS[method], *HELD[model], *common]
    peer = [sys.executable, HERE / "torch_step.py", "--model", name, "--method", method, *common]
    found = {"ours": ours, "torch": peer}
    if not args.no_bf16 and has_bf16() and method != "full":
        found["ours, bf16"] = [*ours, "--mixed-precision", "bf16"]
    real = "--lengths" in work
    if real:
        found["ours, padded"] = [*ours, "--pad"]
        found["torch, grouped"] = [*peer, "--grouped"]
    if not args.no_bf16:
        found["torch bf16"] = [*peer, "--bf16"]
        if real:
            found["torch bf16, grouped"] = [*peer, "--bf16", "--grouped"]
    if args.compile:
        found["torch compiled"] = [*peer, "--compile"]
        if not args.no_bf16:
            found["torch compiled bf16"] = [*peer, "--compile", "--bf16"]
    return found


def gpu_programs(args, model, method):
    """What is run on the GPU, by number format and name; ours first."""
    common = ["--model", model, *GPU_BATCH, "--steps", args.steps, "--device", args.device]
    ours = [args.program, "bench", "--json", *OURS[method], *common]
    peer = [sys.executable, HERE / "torch_step.py", "--method", method, *common]
    found = {}
    for name, (own, its) in GPU_FORMATS.items():
        found[name, "ours"] = [*ours, *own]
        found[name, "ours, kernels"] = [*ours, *own, "--cuda-kernels"]
        found[name, "torch"] = [*peer, *its]
        found[name, "torch compiled"] = [*peer, *its, "--compile"]
    return found


def gpu_rows(results):
    """A row of the table for each program: what it is, tokens/s, memory, share of the peak."""
    rows = []
    for (name, program), rounds in results.items():
        failed = [each["failed"] for each in rounds if "failed" in each]
        if failed:
            rows.append([name, program, f"failed: {failed[0]}", "", ""])
            continue
        middle = {
            key: statistics.median(each[key] for each in rounds)
            for key in ["step_ms", "tokens_per_second"]
        }
        memory = [each["device_peak_mib"] for each in rounds if each["device_peak_mib"]]
        # Arithmetic and rate are those that ours tells in the same format.
        known = [each for each in results[name, "ours"] if "gemm_rate" in each]
        share = ""
        if known:
            rate = statistics.median(each["gemm_rate"] for each in known)
            share = f"{100 * known[0]['gflop'] / (middle['step_ms'] * 1e-3) / rate:.0f} %"
        rows.append(
            [
                name,
                program,
                f"{middle['tokens_per_second']:.0f}",
                f"{max(memory):.0f}" if memory else "not told",
                share,
            ]
        )
    return rows


def gpu(args):
    """Everything that is measured on a GPU, as one table."""
    heads = ["model", "method", "format", "program", "tokens/s", "peak, MiB", "of the products' rate"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    everything, device = {}, None
    for model in GPU_MODELS:
        for method in args.methods.split(","):
            found = gpu_programs(args, model, method)
            results = in_turn(found, args.rounds, {})
            for row in gpu_rows(results):
                lines.append(f"| {' | '.join([model, method, *row])} |")
                print(lines[-1])
                sys.stdout.flush()
            told = [each for rounds in results.values() for each in rounds if "device" in each]
            device = device or (told[0]["device"] if told else None)
            for (name, program), rounds in results.items():
                everything[f"{model}, {method}, {name}, {program}"] = rounds
    if device is None:
        sys.exit(f"compare.py: nothing could be measured on {args.device}; see the lines above")
    title = f"{device}; batches of 100 × 128 tokens, {args.steps} steps, medians of {args.rounds} rounds"
    if args.markdown:
        args.markdown.write_text("\n".join([title, "", *lines]) + "\n")
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1) + "\n")
    print(f"\n{title}")


def measure(args, model, method, work, threads):
    found = programs(args, model, method, work, threads)
    return in_turn(found, args.rounds, AVX2 if args.avx2 else {})


def in_turn(found, rounds, extra):
    """Runs every program once a round, in an order that turns."""
    results = {name: [] for name in found}
    names = list(found)
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            results[name].append(run(found[name], extra))
    return results


FIGURES = [
    ("cpu", "round_cpu_ms", "CPU, ms"),
    ("wall", "round_ms", "wall, ms"),
    ("memory", "peak_mib", "peak, MiB"),
]


def beside(name, results):
    """Which of ours a program is compared with: what is in bf16 with what is."""
    return "ours, bf16" if "bf16" in name and "ours, bf16" in results else "ours"


def table(title, results):
    print(f"\n{title}")
    heads = "".join(f"{head:>12}{'ours / it':>22}" for _, _, head in FIGURES)
    print(f"{'':24}{heads}")
    for name, rounds in results.items():
        failed = [each["failed"] for each in rounds if "failed" in each]
        if failed:
            print(f"{name:24}failed: {failed[0]}")
            continue
        cells = ""
        for _, key, _ in FIGURES:
            cells += f"{statistics.median(each[key] for each in rounds):12.1f}"
            pairs = zip(results[beside(name, results)], rounds)
            ratios = [ours[key] / each[key] for ours, each in pairs if key in ours]
            if name.startswith("ours") or not ratios:
                cells += " " * 22
                continue
            middle = statistics.median(ratios)
            cells += f"{middle:9.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"{name:24}{cells}")
    shares = [each["gemm_share"] for each in results["ours"] if "gemm_share" in each]
    if shares:
        rate = statistics.median(each["gemm_rate"] for each in results["ours"])
        share = statistics.median(shares)
        print(f"{'':24}ours at {100 * share:.0f} % of the GEMM rate ({rate:.0f} GFLOP/s)")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    args = arguments()
    if not args.program.exists():
        sys.exit(f"compare.py: there is no {args.program}: build it, or name one with --program")
    if args.device != "cpu":
        return gpu(args)
    everything = {}
    print(f"{processor()}, {os.cpu_count()} cores; medians of {args.rounds} rounds, run in turn")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for model in MODELS:
            for data in [*UNIFORM, *REAL]:
                name = f"{model}-{data}"
                if args.only and name not in args.only:
                    continue
                if data in UNIFORM:
                    batch, source = UNIFORM[data]
                    work = ["--batch", batch, "--source", source, "--target", 8]
                    work += ["--steps", args.steps]
                else:
                    path = lengths_file(model, data, folder)
                    work = ["--batch", REAL[data], "--lengths", path]
                for method in args.methods.split(","):
                    for threads in args.threads.split(","):
                        results = measure(args, model, method, work, threads)
                        title = f"{name}, {method}, {threads} threads"
                        title += ", AVX2" if args.avx2 else ""
                        table(title, results)
                        sys.stdout.flush()
                        everything[title] = results
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
