//! The two settings that take either a number or a word.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Length of the warm-up: `500`, or `"10%"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// Optimizer steps.
    Steps(u64),
    /// Percent of all optimizer steps, 0 to 100.
    Percent(f64),
}

/// How often the validation set is evaluated: `"epoch"`, or a number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalEvery {
    /// After each pass over the training data.
    Epoch,
    /// After so many optimizer steps.
    Steps(u64),
}

impl Serialize for Warmup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Steps(steps) => serializer.serialize_u64(*steps),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

impl<'de> Deserialize<'de> for Warmup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WarmupVisitor)
    }
}

struct WarmupVisitor;

impl Visitor<'_> for WarmupVisitor {
    type Value = Warmup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of steps or a percentage such as \"10%\"")
    }

    fn visit_u64<E: de::Error>(self, steps: u64) -> Result<Warmup, E> {
        Ok(Warmup::Steps(steps))
    }

    fn visit_i64<E: de::Error>(self, steps: i64) -> Result<Warmup, E> {
        steps_of(steps, &self).map(Warmup::Steps)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Warmup, E> {
        let percent = text.strip_suffix('%').map(|number| number.trim().parse());
        match percent {
            Some(Ok(percent)) => Ok(Warmup::Percent(percent)),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for Warmup {
    fn schema_name() -> Cow<'static, str> {
        "Warmup".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 0, "description": "Optimizer steps." },
            {
                "type": "string",
                "pattern": r"^[0-9]+(\.[0-9]+)?%$",
                "description": "Percent of all optimizer steps, 0 to 100."
            }
        ] })
    }
}

impl Serialize for EvalEvery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Epoch => serializer.serialize_str("epoch"),
            Self::Steps(steps) => serializer.serialize_u64(*steps),
        }
    }
}

impl<'de> Deserialize<'de> for EvalEvery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EvalEveryVisitor)
    }
}

struct EvalEveryVisitor;

impl Visitor<'_> for EvalEveryVisitor {
    type Value = EvalEvery;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"epoch\" or a number of steps")
    }

    fn visit_u64<E: de::Error>(self, steps: u64) -> Result<EvalEvery, E> {
        Ok(EvalEvery::Steps(steps))
    }

    fn visit_i64<E: de::Error>(self, steps: i64) -> Result<EvalEvery, E> {
        steps_of(steps, &self).map(EvalEvery::Steps)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EvalEvery, E> {
        match text {
            "epoch" => Ok(EvalEvery::Epoch),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for EvalEvery {
    fn schema_name() -> Cow<'static, str> {
        "EvalEvery".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "const": "epoch", "description": "After each pass over the training data." },
            { "type": "integer", "minimum": 1, "description": "After so many optimizer steps." }
        ] })
    }
}

fn steps_of<E: de::Error>(steps: i64, expected: &dyn de::Expected) -> Result<u64, E> {
    u64::try_from(steps).map_err(|_| E::invalid_value(Unexpected::Signed(steps), expected))
}
