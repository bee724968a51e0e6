//! What cannot be computed here, or held there, is refused by name.

use super::*;

const QUERY: &str = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight";

fn refused(config: &Value, tensors: &[(&str, &[usize])]) -> String {
    Folder::new(config, tensors).read().unwrap_err().to_string()
}

#[test]
fn a_setting_that_changes_what_is_computed_is_refused_by_name() {
    for (key, value) in [
        ("rank_pattern", json!({"query": 4})),
        ("alpha_pattern", json!({"query": 4})),
        ("bias", json!("lora_only")),
        ("fan_in_fan_out", json!(true)),
        ("layers_to_transform", json!([0])),
        ("layer_replication", json!([[0, 1]])),
        ("modules_to_save", json!(["classifier", "LayerNorm"])),
        ("init_lora_weights", json!("pissa_niter_16")),
        ("init_lora_weights", json!("olora")),
        ("lora_bias", json!(true)),
        ("use_qalora", json!(true)),
        ("use_bdlora", json!({"nblocks": 2})),
        ("trainable_token_indices", json!([1, 2])),
        ("target_parameters", json!(["weight"])),
        ("alora_invocation_tokens", json!([1])),
        ("megatron_config", json!({"a": 1})),
        ("loftq_config", json!({"bits": 4})),
        ("velora_config", json!({"groups": 4})),
        ("of_a_version_to_come", json!(0.5)),
        ("r", json!("eight")),
        ("lora_alpha", json!([8])),
        ("use_dora", json!(1)),
    ] {
        let config = json!({"peft_type": "LORA", key: value});
        let text = refused(&config, &[(QUERY, &[8, 32])]);
        assert!(text.contains(key), "{key}: {text}");
        assert!(text.contains("adapter_config.json"), "{text}");
    }
}

#[test]
fn a_setting_that_is_switched_off_or_has_no_effect_is_not_in_the_way() {
    for (key, value) in [
        ("rank_pattern", json!({})),
        ("bias", json!("none")),
        ("layers_to_transform", json!(null)),
        ("init_lora_weights", json!("gaussian")),
        ("init_lora_weights", json!(false)),
        ("modules_to_save", json!(["classifier", "score"])),
        ("target_modules", json!(".*query")),
        ("exclude_modules", json!(["value"])),
        ("megatron_core", json!("megatron.core")),
        ("qalora_group_size", json!(16)),
        ("of_a_version_to_come", json!(false)),
    ] {
        let config = json!({"peft_type": "LORA", key: value});
        let read = Folder::new(&config, &[(QUERY, &[8, 32])]).read();
        assert!(read.is_ok(), "{key}: {read:?}");
    }
}

#[test]
fn an_adapter_of_another_kind_is_refused_with_those_that_are_read() {
    for kind in ["LOKR", "VERA", "P_TUNING", ""] {
        let text = refused(&json!({"peft_type": kind}), &[]);
        assert!(text.contains(kind), "{text}");
        assert!(
            text.contains("LORA, IA3, PROMPT_TUNING, PREFIX_TUNING"),
            "{text}"
        );
    }
}

#[test]
fn an_update_elsewhere_than_in_an_attention_is_refused() {
    for module in [
        "bert.encoder.layer.0.intermediate.dense",
        "bert.encoder.layer.0.output.dense",
        "bert.pooler.dense",
        "encoder.block.0.layer.1.DenseReluDense.wi",
        "lm_head",
    ] {
        let name = format!("base_model.model.{module}.lora_A.weight");
        let text = refused(
            &json!({"peft_type": "LORA"}),
            &[(&name, &[8, 32]), (QUERY, &[8, 32])],
        );
        let plain = names::plain(module);
        assert!(
            text.contains(&plain) && text.contains("q, k, v and o"),
            "{text}"
        );
    }
    let text = refused(
        &json!({"peft_type": "LORA"}),
        &[("prompt_embeddings", &[2, 2])],
    );
    assert!(text.contains("no tensor"), "{text}");
}

#[test]
fn factors_that_the_method_does_not_have_or_lacks_are_refused() {
    let layer = "base_model.model.bert.encoder.layer.0";
    let name = |module: &str| format!("{layer}.{module}.ia3_l");
    let read = |tensors: &[(String, &[usize])]| {
        let tensors: Vec<(&str, &[usize])> = tensors
            .iter()
            .map(|(name, shape)| (name.as_str(), *shape))
            .collect();
        refused(&json!({"peft_type": "IA3"}), &tensors)
    };
    let keys = (name("attention.self.key"), &[32, 1][..]);
    let values = (name("attention.self.value"), &[32, 1][..]);
    let after = (name("output.dense"), &[1, 64][..]);
    let before = (name("intermediate.dense"), &[64, 1][..]);
    let text = read(&[keys.clone(), values.clone()]);
    assert!(text.contains("no factors of the intermediate"), "{text}");
    let text = read(&[values.clone(), after.clone()]);
    assert!(text.contains("no factors of keys"), "{text}");
    let text = read(&[keys.clone(), after.clone()]);
    assert!(text.contains("no factors of values"), "{text}");
    let text = read(&[keys.clone(), values.clone(), after, before]);
    assert!(text.contains("before and after"), "{text}");
    let text = read(&[(name("attention.self.query"), &[32, 1])]);
    assert!(
        text.contains("attention.self.query`, what it gives"),
        "{text}"
    );
    let text = read(&[(name("attention.self.key"), &[1, 32])]);
    assert!(text.contains("what it is given"), "{text}");
    let text = read(&[
        keys,
        values,
        ("base_model.model.bert.pooler.weight".to_owned(), &[2, 2]),
    ]);
    assert!(text.contains("there is `bert.pooler.weight`"), "{text}");
}

#[test]
fn a_broken_folder_is_refused_and_what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let said = || interop::read(folder.path()).unwrap_err().to_string();
    at("adapter_config.json", r#"{"peft_type": "LORA"}"#);
    assert!(
        said().contains("neither adapter_model.safetensors nor adapter_model.bin"),
        "{}",
        said()
    );
    at("adapter_model.safetensors", "cut off");
    assert!(
        said().contains("adapter_model.safetensors: cut off or damaged"),
        "{}",
        said()
    );
    at("adapter_config.json", r#"{"peft_type": "PROMPT_TUNING"}"#);
    std::fs::remove_file(folder.path().join("adapter_model.safetensors")).unwrap();
    at("adapter_model.bin", "no pickle");
    assert!(
        said().contains("adapter_model.bin: cut off or damaged"),
        "{}",
        said()
    );
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let other = QUERY.replace("bert.", "");
    let config = json!({"peft_type": "LORA"});
    let text = refused(&config, &[(QUERY, &[8, 32]), (&other, &[8, 32])]);
    assert!(text.contains("two tensors"), "{text}");
}

/// What restoring an adapter into a model says.
fn restored(fixture_name: &str, base: &str, pooling: Pooling) -> String {
    let adapter = interop::read(&fixture("peft").join(fixture_name)).unwrap();
    let mut model = model(base, pooling);
    let method = adapter.method.resolve().unwrap();
    let trainables = peft::install(&method, &mut model, 1).unwrap();
    let restored = adapter.restore(&method, &model, &trainables);
    restored.unwrap_err().to_string()
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let text = restored("lora_t5", "bert", Pooling::Mean);
    assert!(text.contains("holds no tensor `encoder.layer.0."), "{text}");
    let text = restored("prefix_t5_gated", "t5_v1_0", Pooling::Mean);
    assert!(text.contains("does it belong to this model?"), "{text}");
}

#[test]
fn a_prefix_for_other_layers_heads_or_stacks_is_refused() {
    let t5 = tuned(
        "t5_v1_0",
        Pooling::Mean,
        "kind = 'prefix'\nlength = 3\nbottleneck = 0\nplacement = 'peft'",
    );
    for (key, number) in [
        ("num_layers", 3),
        ("num_attention_heads", 8),
        ("num_transformer_submodules", 1),
    ] {
        let mut config = json!({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3});
        config[key] = json!(number);
        let folder = Folder::new(&config, &[("prompt_embeddings", &[3, 128])]);
        let adapter = folder.read().unwrap();
        let restored = adapter.restore(&t5.method, &t5.model, &t5.trainables);
        let text = restored.unwrap_err().to_string();
        assert!(text.contains(&format!("{key} is {number}")), "{text}");
    }
}

#[test]
fn an_adapter_that_acts_in_some_layers_only_is_refused() {
    let adapter = interop::read(&fixture("peft/lora_t5")).unwrap();
    let mut tensors = adapter.tensors.clone();
    tensors.retain(|name, _| !name.contains("EncDecAttention.q"));
    let adapter = Adapter { tensors, ..adapter };
    let t5 = tuned("t5_v1_0", Pooling::Mean, "kind = 'lora'\nrank = 4");
    let restored = adapter.restore(&t5.method, &t5.model, &t5.trainables);
    let text = restored.unwrap_err().to_string();
    assert!(text.contains("EncDecAttention.q.lora_A"), "{text}");
    assert!(text.contains("some layers or attentions only"), "{text}");
}

#[test]
fn a_head_that_reads_something_else_is_refused_and_what_to_do_is_said() {
    let text = restored("lora_bert", "bert", Pooling::Mean);
    assert!(text.contains("model.pooling = \"pooler\""), "{text}");
    let text = restored("lora_bert", "roberta", Pooling::Pooler);
    assert!(text.contains("a BERT"), "{text}");

    let adapter = interop::read(&fixture("peft/lora_roberta")).unwrap();
    let mut other = adapter.tensors.clone();
    let dense = other["classifier.dense.weight"].affine(1.0, 1e-6).unwrap();
    other.insert("classifier.dense.weight".to_owned(), dense);
    let adapter = Adapter {
        tensors: other,
        ..adapter
    };
    let table = "kind = 'lora'\nrank = 3";
    let roberta = tuned("roberta", Pooling::Pooler, table);
    let text = adapter
        .restore(&roberta.method, &roberta.model, &roberta.trainables)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("`classifier.dense.weight`") && text.contains("pooler"),
        "{text}"
    );

    let tokens = json!({"peft_type": "LORA", "task_type": "TOKEN_CLS"});
    let head = ("base_model.model.classifier.weight", &[3, 32][..]);
    let text = refused(&tokens, &[(QUERY, &[8, 32]), head]);
    assert!(text.contains("\"TOKEN_CLS\""), "{text}");

    let lora = json!({"peft_type": "LORA"});
    let text = refused(
        &lora,
        &[
            (QUERY, &[8, 32]),
            ("base_model.model.score.weight", &[2, 32]),
        ],
    );
    assert!(text.contains("`score.weight`"), "{text}");
}

#[test]
fn what_peft_has_no_word_for_is_not_written_and_nothing_is_left() {
    for (base, pooling, table, said) in [
        ("bert", Pooling::Mean, "kind = 'lora'", "without its head"),
        (
            "bert",
            Pooling::Cls,
            "kind = 'lora'",
            "model.pooling = \"pooler\"",
        ),
        (
            "bert",
            Pooling::Pooler,
            "kind = 'prompt'\nlength = 2",
            "placement = \"peft\"",
        ),
        (
            "bert",
            Pooling::Pooler,
            "kind = 'prefix'\nlength = 2",
            "placement = \"peft\"",
        ),
        (
            "t5_v1_0",
            Pooling::Mean,
            "kind = 'prefix'\nlength = 2",
            "self-attention only",
        ),
        (
            "roberta",
            Pooling::Pooler,
            "kind = 'prefix'\nlength = 2\nplacement = 'peft'",
            "without its head",
        ),
        (
            "t5_v1_0",
            Pooling::Mean,
            "kind = 'compacter'\nreduction_factor = 4",
            "lora, dora, ia3, prompt and prefix",
        ),
        ("bert", Pooling::Pooler, "kind = 'head'", "lora, dora"),
    ] {
        let tuned = tuned(base, pooling, table);
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let error = interop::write(Library::Peft, &tuned.export(true), &new);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("PEFT cannot hold") && text.contains(said),
            "{table}: {text}"
        );
        assert!(!new.exists(), "{table}");
    }
}

#[test]
fn a_folder_that_is_there_is_not_written_over() {
    let tuned = tuned("t5_v1_0", Pooling::Mean, "kind = 'lora'");
    let folder = tempfile::tempdir().unwrap();
    let error = interop::write(Library::Peft, &tuned.export(true), folder.path());
    assert!(error.unwrap_err().to_string().contains("exists already"));
}

#[test]
fn a_prefix_for_more_blocks_than_the_encoder_has_is_refused() {
    let t5 = model("t5_v1_0", Pooling::Mean);
    let mut shape = t5.shape.clone();
    shape.decoder_layers = 3;
    let prefix = method("kind = 'prefix'\nplacement = 'peft'");
    let text = peft::count::count(&prefix, &shape).unwrap_err().to_string();
    assert!(text.contains("2 blocks of a decoder"), "{text}");
}
