//! Closed forms against what is trained indeed, group by group.

use std::collections::BTreeMap;

use super::super::{count, install};
use super::{method, model};
use crate::config::Pooling;
use crate::model::Model;
use crate::model::site::Backbone;

const ADAPTERS: [&str; 7] = [
    "reduction_factor = 4",
    "reduction_factor = 5", // 32 / 5 is rounded down
    "reduction_factor = 8\ntrain_layer_norms = false",
    "reduction_factor = 4\npositions = 'self-attention'",
    "reduction_factor = 4\npositions = 'feed-forward'",
    "reduction_factor = 4\nleave_out = [0]",
    "reduction_factor = 4\nconvention = 'adapterhub'",
];

/// With `n = 4` and a bottleneck of 8.
const COMPACTERS: [&str; 14] = [
    "",
    "rank = 2",
    "slow = 'own'",
    "slow = 'own'\nlearn_slow = false",
    "learn_slow = false",
    "fast = 'dense'",
    "fast = 'dense'\nslow = 'own'",
    "slow = 'own'\nrank = 3",
    "positions = 'self-attention'",
    "positions = 'feed-forward'",
    "leave_out = [1]",
    "train_layer_norms = false",
    "convention = 'adapterhub'",
    "convention = 'adapterhub'\ntrain_layer_norms = true",
];

const LORAS: [&str; 4] = [
    "",
    "rank = 2\ntargets = ['q']",
    "rank = 3\ntargets = ['q', 'k', 'v', 'o']",
    "rank = 1\ntargets = ['o', 'k']\nconvention = 'adapterhub'",
];

const OTHERS: [&str; 20] = [
    "kind = 'pfeiffer'",
    "kind = 'pfeiffer'\nconvention = 'adapterhub'",
    "kind = 'adapterdrop'\ndrop_first = 1",
    "kind = 'parallel'",
    "kind = 'parallel'\npositions = 'both'\ntrain_layer_norms = true",
    "kind = 'low-rank'\nreduction_factor = 4",
    "kind = 'low-rank'\nrank = 3\nreduction_factor = 4\nleave_out = [1]",
    "kind = 'phm'\nn = 4\nreduction_factor = 4",
    "kind = 'bitfit'",
    "kind = 'layer-norm'",
    "kind = 'ia3'",
    "kind = 'ia3'\nconvention = 'adapterhub'",
    "kind = 'prompt'\nlength = 3",
    "kind = 'prompt-vocab'\nlength = 4",
    "kind = 'prefix'\nlength = 3\nbottleneck = 6",
    "kind = 'prefix'\nlength = 2\nbottleneck = 0",
    "kind = 'prompt'\nlength = 3\nplacement = 'peft'",
    "kind = 'prefix'\nlength = 3\nbottleneck = 6\nplacement = 'peft'",
    "kind = 'prefix'\nlength = 2\nbottleneck = 0\nplacement = 'peft'",
    "kind = 'said'\ndimension = 200",
];

fn tables() -> Vec<String> {
    let tiny = "n = 4\nreduction_factor = 4";
    let mut tables = vec!["kind = 'full'".to_owned()];
    tables.extend(ADAPTERS.map(|rest| format!("kind = 'adapter'\n{rest}")));
    tables.extend(COMPACTERS.map(|rest| format!("kind = 'compacter'\n{tiny}\n{rest}")));
    tables.push(format!("kind = 'compacter++'\n{tiny}"));
    tables.extend(LORAS.map(|rest| format!("kind = 'lora'\n{rest}")));
    tables.extend(LORAS.map(|rest| format!("kind = 'dora'\n{rest}")));
    tables.extend(OTHERS.map(str::to_owned));
    tables
}

fn agrees(table: &str, mut model: Model) {
    let method = method(table);
    let mut planned = count::count(&method, &model.shape).unwrap();
    let groups: usize = planned.groups.iter().map(|group| group.count).sum();
    assert_eq!(groups, planned.trainable, "{table}");
    if let Some(outputs) = model.head_outputs() {
        planned = planned.with_head(&model.shape, outputs).unwrap();
    }
    let planned: BTreeMap<&str, usize> = planned
        .groups
        .iter()
        .map(|group| (group.name.as_str(), group.count))
        .collect();

    let trainables = install(&method, &mut model, 1).unwrap();
    let mut measured = BTreeMap::new();
    for parameter in trainables.parameters() {
        *measured.entry(parameter.group).or_insert(0) += parameter.len();
    }
    assert_eq!(measured, planned, "{table}\non {:?}", model.shape);
    assert_eq!(trainables.total(), planned.values().sum::<usize>());
}

#[test]
fn every_method_trains_what_was_counted_group_by_group() {
    for table in tables() {
        for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
            agrees(&table, model(name, Pooling::Mean));
        }
    }
}

#[test]
fn a_head_and_a_pooler_are_counted_where_there_are_some() {
    agrees("kind = 'head'", model("bert", Pooling::Cls));
    for table in [
        "kind = 'full'",
        "kind = 'bitfit'",
        "kind = 'said'\ndimension = 200",
    ] {
        agrees(table, model("bert", Pooling::Pooler));
    }
}

#[test]
fn the_total_is_what_the_plain_model_holds() {
    for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
        for pooling in [Pooling::Mean, Pooling::Pooler] {
            let mut model = model(name, pooling);
            let mut held = 0;
            model
                .visit_weights(&mut |_, weight| {
                    held += weight.stored().elem_count();
                    Ok(())
                })
                .unwrap();
            assert_eq!(held, model.shape.total_parameters(), "{name} {pooling:?}");
        }
    }
}
