"""A tiny model with a fine-tuning method installed: its loss, gradients and training."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Generator, Tensor, nn
from transformers import PreTrainedModel, get_linear_schedule_with_warmup
from transformers.activations import ACT2FN
from transformers.utils import ModelOutput

import methods
import other_methods
import said
from methods import Phm, Tensors
from tiny_models import CLASSES, WIDTH, Backbone, Batch, packed, padded

PHM = Phm(n=4, d=8, r=1)
LORA_RANK = 4
LORA_ALPHA = 8.0
LOW_RANK = 2
# Hugging Face's mark for positions without a label.
NO_LABEL = -100


@dataclass(frozen=True)
class Training:
    """AdamW with clipping and a linear schedule."""

    steps: int = 20
    warmup: int = 2
    learning_rate: float = 3e-3
    clip_norm: float = 1.0


@dataclass(frozen=True)
class Tuned:
    """A model, the tensors that a method (and a head) adds to it, and those it trains."""

    model: PreTrainedModel
    added: Tensors
    trained: Tensors
    # Rows that the method puts before every input.
    prompt: int = 0
    # Whether the model widens masks for them by itself, as AdapterHub's do.
    widens_masks: bool = False

    def call(self, **inputs: Tensor) -> ModelOutput:
        """The model's output, with computed weights where the method has them."""
        if "said.vector" not in self.added:
            return self.model(**inputs)
        weights = said.computed(self.model, self.added)
        return torch.func.functional_call(self.model, weights, (), inputs)


def install(backbone: Backbone, method: str, dtype: torch.dtype, outputs: int = CLASSES) -> Tuned:
    """A fresh model with a method installed; the same numbers in every dtype."""
    model = backbone.build().to(dtype).requires_grad_(False)
    generator = torch.Generator().manual_seed(backbone.seed + 100)
    added = {} if backbone.is_t5 else methods.draw_head(WIDTH, outputs, generator)
    added |= draw_method(model, method, generator)
    added = {name: value.to(dtype).requires_grad_() for name, value in added.items()}
    attach(model, method, added)
    trained = added | _own(method)(model)
    for value in trained.values():
        value.requires_grad_()
    prompt = other_methods.PROMPT_ROWS if method == "prompt" else 0
    return Tuned(model, added, trained, prompt)


# Adapters in the paper's form, beside which layer norms are trained.
_PAPER = {"compacter", "adapter", "pfeiffer", "adapterdrop", "phm", "low_rank"}


def _own(method: str) -> Callable[[PreTrainedModel], Tensors]:
    """What a method trains of the model's own."""
    if method in _PAPER or method == "layer_norm":
        return methods.layer_norms
    if method == "bitfit":
        return other_methods.own_biases
    return _weights if method == "full" else lambda _: {}


def draw_method(model: PreTrainedModel, method: str, generator: Generator) -> Tensors:
    """Random tensors of a method."""
    sites = _sites(model, method)
    match method:
        case "compacter" | "adapterhub" | "adapterhub_plus":
            return methods.draw_phm(sites, WIDTH, PHM, generator)
        case (
            "adapter"
            | "pfeiffer"
            | "adapterdrop"
            | "adapterhub_pfeiffer"
            | "parallel"
            | "adapterhub_parallel"
        ):
            return methods.draw_dense(sites, WIDTH, PHM.d, generator)
        case "phm":
            return methods.draw_whole_phm(sites, WIDTH, PHM, generator)
        case "low_rank":
            return methods.draw_low_rank(sites, WIDTH, PHM.d, LOW_RANK, generator)
        case "dora" | "adapterhub_dora":
            return other_methods.draw_dora(model, LORA_RANK, generator)
        case "bitfit":
            return other_methods.draw_biases(model, generator)
        case "ia3" | "adapterhub_ia3":
            return other_methods.draw_ia3(model, method != "ia3", generator)
        case "prompt":
            return other_methods.draw_prompt(model, generator)
        case "prefix":
            return other_methods.draw_prefix(model, generator)
        case "said":
            return said.draw(model, generator)
        case "lora":
            return methods.draw_lora(model, LORA_RANK, generator)
        case "full" | "layer_norm":
            return {}
    raise ValueError(f"no method {method!r}")


def attach(model: PreTrainedModel, method: str, added: Tensors) -> None:
    """Hooks a method's tensors into a model."""
    sites = _sites(model, method)
    match method:
        case _ if method in _PAPER:
            methods.install_paper(sites, added, ACT2FN["gelu_new"])
        case "adapterhub":
            # Without dropout AdapterHub's place after it is the paper's place before it.
            methods.install_paper(sites, added, ACT2FN["gelu"])
        case "adapterhub_plus":
            methods.install_on_sum(sites, added, ACT2FN["gelu"])
        case "adapterhub_pfeiffer":
            methods.install_on_sum(sites, added, torch.relu)
        case "parallel" | "adapterhub_parallel":
            other_methods.install_parallel(sites, added, method != "parallel")
        case "lora":
            methods.install_lora(model, added, LORA_ALPHA / LORA_RANK)
        case "dora":
            other_methods.install_dora(model, added, LORA_ALPHA / LORA_RANK, exact=False)
        case "adapterhub_dora":
            other_methods.install_dora(model, added, 1.0, exact=True)
        case "bitfit":
            other_methods.install_biases(model, added)
        case "ia3" | "adapterhub_ia3":
            other_methods.install_ia3(model, added, method != "ia3")
        case "prompt":
            other_methods.install_prompt(model, added)
        case "prefix":
            other_methods.install_prefix(model, added)


def _sites(model: PreTrainedModel, method: str) -> list[methods.Site]:
    sites = methods.adapter_sites(model)
    match method:
        case "adapterhub_plus" | "adapterhub_pfeiffer" | "parallel" | "adapterhub_parallel":
            return [site for site in sites if site.feed_forward]
        case "pfeiffer":
            return [site for site in sites if not site.feed_forward]
        case "adapterdrop":
            lowest = ("encoder.block.0.", "decoder.block.0.", "encoder.layer.0.")
            return [site for site in sites if not site.name.startswith(lowest)]
    return sites


def _weights(model: PreTrainedModel) -> Tensors:
    # Masked mean pooling leaves BERT's pooler unused, hence without a gradient.
    return {name: value for name, value in model.named_parameters() if "pooler" not in name}


def forward(tuned: Tuned, batch: Batch) -> Tensors:
    """`loss`, `logits` and hidden states; all but the loss and pooled rows are packed."""
    is_t5 = tuned.model.config.model_type == "t5"
    return _forward_t5(tuned, batch) if is_t5 else _forward_bert(tuned, batch)


def _forward_t5(tuned: Tuned, batch: Batch) -> Tensors:
    labels = padded(batch.target, NO_LABEL)
    output = tuned.call(
        input_ids=padded(batch.source, tuned.model.config.pad_token_id),
        attention_mask=_mask(tuned, batch),
        labels=labels,
    )
    # Mean over all target tokens of the batch.
    loss = nn.functional.cross_entropy(output.logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(output.loss, loss)
    return {
        "loss": loss,
        "logits": packed(output.logits, [len(row) for row in batch.target]),
        "hidden": packed(output.encoder_last_hidden_state, _lengths(tuned, batch)),
    }


def _mask(tuned: Tuned, batch: Batch) -> Tensor:
    """1 at a prompt's rows and at tokens, 0 at padding."""
    return nn.functional.pad(batch.mask, (tuned.prompt, 0), value=1)


def _lengths(tuned: Tuned, batch: Batch) -> list[int]:
    return [tuned.prompt + len(row) for row in batch.source]


def _forward_bert(tuned: Tuned, batch: Batch) -> Tensors:
    output = tuned.call(
        input_ids=padded(batch.source, tuned.model.config.pad_token_id),
        attention_mask=batch.mask if tuned.widens_masks else _mask(tuned, batch),
        token_type_ids=padded(batch.types, 0),
    )
    states = output.last_hidden_state
    mask = _mask(tuned, batch).unsqueeze(-1).to(states.dtype)
    mean = (states * mask).sum(1) / mask.sum(1)
    logits = nn.functional.linear(mean, tuned.added["head.weight"], tuned.added["head.bias"])
    return {
        "loss": _answer_loss(logits, batch),
        "logits": logits,
        "hidden": packed(states, _lengths(tuned, batch)),
        "pooled.mean": mean,
        "pooled.cls": states[:, 0],
        "pooled.pooler": output.pooler_output,
    }


def _answer_loss(logits: Tensor, batch: Batch) -> Tensor:
    if logits.shape[-1] > 1:
        return nn.functional.cross_entropy(logits, torch.tensor(batch.classes))
    values = torch.tensor(batch.values, dtype=logits.dtype)
    return nn.functional.mse_loss(logits.squeeze(-1), values)


def gradients(tuned: Tuned, loss: Tensor) -> Tensors:
    """Gradient of a loss by everything trained; an unused tensor is an error."""
    found = torch.autograd.grad(loss, list(tuned.trained.values()))
    return dict(zip(tuned.trained, found, strict=True))


def train(tuned: Tuned, batches: list[Batch], plan: Training) -> dict[str, list[float]]:
    """Trains on a cycle of batches; loss and gradient norm (before clipping) of each step."""
    parameters = list(tuned.trained.values())
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
    )
    schedule = get_linear_schedule_with_warmup(optimizer, plan.warmup, plan.steps)
    losses, norms = [], []
    for batch in islice(cycle(batches), plan.steps):
        loss = forward(tuned, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(parameters, plan.clip_norm).item())
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    return {"losses": losses, "grad_norms": norms}
