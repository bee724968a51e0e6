#!/usr/bin/env python3
"""A training step of PyTorch's libraries, timed as `compacter bench` times ours.

Compacter of AdapterHub's `adapters`, LoRA of `peft`, or plain fine-tuning, on a model of random
weights and made-up tokens; layer norms are trained with Compacter, as ours are, and dropout is 0.
One JSON line: median milliseconds of a step, sums over one round of all batches, peak memory.
On a GPU a step ends when the device has done all of it.

    torch_step.py --model t5-small --method compacter --batch 16 --source 128 --target 8
    torch_step.py --model all-MiniLM-L6-v2 --lengths lengths.txt --batch 32 --grouped
    torch_step.py --model t5-base --batch 100 --device cuda:0 --tf32 --compile
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time


# Width, feed-forward width, layers and heads.
T5 = {"t5-small": (512, 2048, 6, 8), "t5-base": (768, 3072, 12, 12)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    models = [*T5, "all-MiniLM-L6-v2"]
    parser.add_argument("--model", choices=models, default="t5-small")
    parser.add_argument("--method", choices=["compacter", "lora", "full"], default="compacter")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--source", type=int, default=128)
    parser.add_argument("--target", type=int, default=8)
    parser.add_argument("--lengths", help="a file with a source length a line, and a target length")
    parser.add_argument("--grouped", action="store_true", help="batches of similar length")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--tf32", action="store_true", help="products of float32 in TF32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--warmup", type=int, default=2)
    return parser.parse_args()


args = arguments()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
if args.device == "cpu":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch  # noqa: E402  the variables above must be set before
import transformers  # noqa: E402

device = torch.device(args.device)
on_gpu = device.type == "cuda"
if args.tf32 and not on_gpu:
    sys.exit("torch_step.py: --tf32 needs --device cuda:0")
if on_gpu and not torch.cuda.is_available():
    sys.exit("torch_step.py: PyTorch finds no GPU: check nvidia-smi, and that it was built with CUDA")
torch.backends.cuda.matmul.allow_tf32 = args.tf32
torch.backends.cudnn.allow_tf32 = args.tf32


def backbone():
    if args.model in T5:
        width, inner, layers, heads = T5[args.model]
        config = transformers.T5Config(
            vocab_size=32128, d_model=width, d_kv=64, d_ff=inner, num_layers=layers, num_heads=heads,
            feed_forward_proj="relu", dropout_rate=0.0, decoder_start_token_id=0,
        )  # fmt: skip
        return config, transformers.T5ForConditionalGeneration(config)
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=1536, num_labels=2, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return config, transformers.BertForSequenceClassification(config)


def install(model):
    """What is trained, as the library that the method comes from does it."""
    if args.method == "compacter":
        import adapters

        adapters.init(model)
        config = adapters.CompacterConfig(reduction_factor=32, phm_dim=4)
        model.add_adapter("peer", config=config)
        model.train_adapter("peer")
        for name, weight in model.named_parameters():
            norm = "layer_norm" in name or "LayerNorm" in name
            if norm or name.startswith("classifier."):
                weight.requires_grad_(True)
    elif args.method == "lora":
        import peft

        t5 = args.model in T5
        model = peft.get_peft_model(
            model,
            peft.LoraConfig(
                r=8,
                lora_alpha=16,
                lora_dropout=0.0,
                target_modules=["q", "v"] if t5 else ["query", "value"],
                modules_to_save=None if t5 else ["classifier"],
            ),
        )
    return model


def lengths():
    """Source and target lengths of each batch."""
    if not args.lengths:
        return [[(args.source, args.target)] * args.batch]
    pairs = []
    with open(args.lengths) as file:
        for line in file:
            numbers = [int(word) for word in line.split()]
            pairs.append((numbers[0], numbers[1] if len(numbers) > 1 else args.target))
    if args.grouped:
        pairs.sort()
    return [pairs[at : at + args.batch] for at in range(0, len(pairs), args.batch)]


def batch(pairs, config, generator):
    """Inputs padded to the longest of the batch, as a data collator pads them."""

    def side(sizes, fill):
        longest = max(sizes)
        ids = torch.randint(2, config.vocab_size, (len(sizes), longest), generator=generator)
        mask = torch.arange(longest)[None, :] < torch.tensor(sizes)[:, None]
        return ids.where(mask, torch.tensor(fill)), mask.long()

    ids, mask = side([source for source, _ in pairs], 0)
    if args.model in T5:
        labels, _ = side([target for _, target in pairs], -100)
    else:
        labels = torch.arange(len(pairs)) % 2
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def tokens(pairs):
    """Tokens of a batch, without padding; an encoder reads no target."""
    return sum(source + (target if args.model in T5 else 0) for source, target in pairs)


torch.set_num_threads(args.threads)
torch.manual_seed(0)
config, model = backbone()
model = install(model).to(device)
model.train()
trained = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-3)
generator = torch.Generator().manual_seed(1)
pairs_of_batches = lengths()
batches = [batch(pairs, config, generator) for pairs in pairs_of_batches]
forward = torch.compile(model) if args.compile else model
loss = float("nan")


def step(inputs):
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=args.bf16):
        loss = forward(**inputs).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    if on_gpu:
        torch.cuda.synchronize(device)
    return value


steps = args.steps or max(7, len(batches))
times = [[] for _ in batches]
for at in range(args.warmup + steps):
    turn = at % len(batches)
    wall, cpu = time.perf_counter(), time.process_time()
    loss = step(batches[turn])
    if at >= args.warmup:
        times[turn].append((time.perf_counter() - wall, time.process_time() - cpu))

used = [each for each in times if each]
every = [pair for each in used for pair in each]
name = "torch" + ("-compile" if args.compile else "") + ("-bf16" if args.bf16 else "")
name += "-tf32" if args.tf32 else ""
median = statistics.median(wall for wall, _ in every)
each = sum(tokens(pairs) for pairs in pairs_of_batches) / len(pairs_of_batches)
json.dump(
    {
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "form": name + ("-grouped" if args.grouped else ""),
        "trainable": sum(weight.numel() for weight in trained),
        "step_ms": 1e3 * median,
        "tokens_per_second": each / median,
        "cpu_ms": 1e3 * statistics.median(cpu for _, cpu in every),
        "round_ms": 1e3 * sum(statistics.median(wall for wall, _ in each) for each in used),
        "round_cpu_ms": 1e3 * sum(statistics.median(cpu for _, cpu in each) for each in used),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "device_peak_mib": torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else None,
        "loss": loss,
    },
    sys.stdout,
)
print()
