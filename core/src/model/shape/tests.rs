//! Shapes against the sizes that the models are known to have.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const T5_BASE: &str = r#"{
  "architectures": ["T5WithLMHeadModel"], "d_ff": 3072, "d_kv": 64, "d_model": 768,
  "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1,
  "initializer_factor": 1.0, "is_encoder_decoder": true, "layer_norm_epsilon": 1e-06,
  "model_type": "t5", "n_positions": 512, "num_heads": 12, "num_layers": 12,
  "output_past": true, "pad_token_id": 0, "relative_attention_num_buckets": 32,
  "vocab_size": 32128
}"#;

const FLAN_T5_SMALL: &str = r#"{
  "architectures": ["T5ForConditionalGeneration"], "d_ff": 1024, "d_kv": 64,
  "d_model": 512, "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1,
  "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
  "is_encoder_decoder": true, "layer_norm_epsilon": 1e-06, "model_type": "t5",
  "n_positions": 512, "num_decoder_layers": 8, "num_heads": 6, "num_layers": 8,
  "output_past": true, "pad_token_id": 0, "relative_attention_max_distance": 128,
  "relative_attention_num_buckets": 32, "tie_word_embeddings": false,
  "transformers_version": "4.23.1", "use_cache": true, "vocab_size": 32128
}"#;

const MINI_LM: &str = r#"{
  "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
  "gradient_checkpointing": false, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
  "hidden_size": 384, "initializer_range": 0.02, "intermediate_size": 1536,
  "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
  "num_attention_heads": 12, "num_hidden_layers": 6, "pad_token_id": 0,
  "position_embedding_type": "absolute", "type_vocab_size": 2, "use_cache": true,
  "vocab_size": 30522
}"#;

const ROBERTA_BASE: &str = r#"{
  "architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1,
  "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
  "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
  "layer_norm_eps": 1e-05, "max_position_embeddings": 514, "model_type": "roberta",
  "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1,
  "type_vocab_size": 1, "vocab_size": 50265
}"#;

fn parse(text: &str) -> Result<ModelShape> {
    ModelShape::from_config_json(text, Path::new("config.json"))
}

#[test]
fn total_parameters_are_those_that_pytorch_counts() {
    for (name, total) in [
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-11b", 11_307_321_344),
        ("google/t5-v1_1-small", 76_961_152),
        ("google/t5-v1_1-base", 247_577_856),
        ("google/flan-t5-small", 76_961_152),
        ("google/flan-t5-base", 247_577_856),
        ("google/flan-t5-large", 783_150_080),
        ("google/flan-t5-xl", 2_849_757_184),
        ("bert-base-uncased", 109_482_240),
        ("bert-base-cased", 108_310_272),
        ("bert-large-uncased", 335_141_888),
        ("roberta-base", 124_645_632),
        ("roberta-large", 355_359_744),
        ("all-MiniLM-L6-v2", 22_713_216),
    ] {
        let shape = ModelShape::named(name).unwrap();
        assert_eq!(shape.total_parameters(), total, "{name}");
    }
}

#[test]
fn a_smaller_vocabulary_takes_its_rows_with_it() {
    let authors = ModelShape::known("t5-base").unwrap().with_vocab(32_100);
    assert_eq!(authors.total_parameters(), 222_882_048);
    // Untied, the output layer loses as many.
    let flan = ModelShape::known("google/flan-t5-base").unwrap();
    let fewer = flan.clone().with_vocab(flan.vocab - 1);
    assert_eq!(
        flan.total_parameters() - fewer.total_parameters(),
        2 * flan.d_model
    );
}

#[test]
fn the_configurations_on_the_hub_give_the_shapes_known_by_name() {
    for (text, name) in [
        (T5_BASE, "google-t5/t5-base@main"),
        (FLAN_T5_SMALL, "google/flan-t5-small"),
        (MINI_LM, "sentence-transformers/all-MiniLM-L6-v2"),
        (ROBERTA_BASE, "FacebookAI/roberta-base"),
    ] {
        assert_eq!(
            parse(text).unwrap(),
            ModelShape::known(name).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn an_encoder_without_its_pooler_is_smaller_by_that() {
    let with = ModelShape::known("all-MiniLM-L6-v2").unwrap();
    let without = ModelShape {
        pooler: false,
        ..with.clone()
    };
    let pooler = with.total_parameters() - without.total_parameters();
    assert_eq!(pooler, 384 * 384 + 384);
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let message = |name| ModelShape::named(name).unwrap_err().to_string();
    assert!(message("t5-bsae").contains("did you mean `t5-base`"));
    assert!(message("google/flan-t5-bas").contains("did you mean `google/flan-t5-base`"));
    assert!(message("gpt2").contains("known are `t5-small`"));
    // The organisation must be the one that has it.
    assert!(ModelShape::known("someone/t5-base").is_none());
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_reason() {
    for (old, new, said) in [
        ("\"bert\"", "\"gpt2\"", "model_type `gpt2` is not supported"),
        ("\"model_type\": \"bert\",", "", "model_type is missing"),
        ("\"hidden_size\": 384,", "", "missing field `hidden_size`"),
        (
            "\"hidden_size\": 384",
            "\"hidden_size\": 0",
            "hidden_size is 0",
        ),
        (
            "\"num_attention_heads\": 12",
            "\"num_attention_heads\": 0",
            "num_attention_heads is 0",
        ),
        (
            "\"num_attention_heads\": 12",
            "\"num_attention_heads\": 7",
            "384 is not divisible by num_attention_heads 7",
        ),
        (
            "\"vocab_size\": 30522",
            "\"vocab_size\": 18446744073709551615",
            "vocab_size is 18446744073709551615",
        ),
        (
            "\"vocab_size\": 30522",
            "\"vocab_size\": -1",
            "invalid value",
        ),
        ("\"absolute\"", "\"relative_key\"", "relative_key"),
        ("}", "", "EOF while parsing"),
    ] {
        assert!(MINI_LM.contains(old), "{old}");
        let message = parse(&MINI_LM.replace(old, new)).unwrap_err().to_string();
        assert!(message.starts_with("config.json: "), "{message}");
        assert!(message.contains(said), "{message} lacks {said}");
    }
    let encoder_only = T5_BASE.replace("_decoder\": true", "_decoder\": false");
    let message = parse(&encoder_only).unwrap_err().to_string();
    assert!(message.contains("is_encoder_decoder is false"), "{message}");
}

#[test]
fn a_folder_without_a_configuration_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let message = ModelShape::from_folder(folder.path())
        .unwrap_err()
        .to_string();
    assert!(message.contains("config.json: cannot read"), "{message}");
}
