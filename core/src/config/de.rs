//! Reads typed values from a tree, so that an error says which field, in plain words.

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::complaint::{Complaint, Outcome};
use super::hint;
use super::tree::{Entry, Node};

/// Reads a tree as a value of type `T`.
pub(crate) fn read<'de, T: Deserialize<'de>>(root: &'de Node) -> Outcome<T> {
    T::deserialize(root)
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        match self {
            Node::Table(entries) => visitor.visit_map(Entries::new(entries)),
            Node::List(entries) => visitor.visit_seq(Entries::new(entries)),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::Integer(number) => visitor.visit_i64(*number),
            Node::Float(number) => visitor.visit_f64(*number),
            Node::Boolean(value) => visitor.visit_bool(*value),
            Node::Date(date) => Err(de::Error::invalid_type(Unexpected::Other(date), &visitor)),
            Node::TooLarge(number) => Err(Complaint::whole(format!(
                "{number} is beyond the largest number that can be held"
            ))),
            Node::Bare(value, _) => value.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        match self {
            Node::Bare(_, text) => visitor.visit_borrowed_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Outcome<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        match self {
            Node::Text(word) => {
                let word: StrDeserializer<'_, Complaint> = word.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            other => {
                let one_of = format!("one of the words {}", variants.join(", "));
                Err(de::Error::invalid_type(unexpected(other), &one_of.as_str()))
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The entries of a table or list that are still to be read.
struct Entries<'de> {
    left: std::slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de [Entry]) -> Self {
        Self {
            left: entries.iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Outcome<Option<K::Value>> {
        self.value = self.left.next();
        let Some(entry) = self.value else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Complaint> = entry.key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|complaint| complaint.within(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Outcome<V::Value> {
        let entry = self
            .value
            .take()
            .ok_or_else(|| Complaint::whole("a value was asked for before its key"))?;
        seed.deserialize(&entry.value)
            .map_err(|complaint| complaint.within(&entry.key))
    }
}

impl<'de> SeqAccess<'de> for Entries<'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        let Some(entry) = self.left.next() else {
            return Ok(None);
        };
        seed.deserialize(&entry.value)
            .map(Some)
            .map_err(|complaint| complaint.within(&entry.key))
    }
}

impl de::Error for Complaint {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::whole(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let mut message = format!("expected {}, found {}", wanted(expected), plain(found));
        if let Unexpected::Str(text) = found
            && toml::de::DeValue::parse(text).is_ok()
        {
            message += "; remove the quotes";
        }
        Self::whole(message)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::whole(format!(
            "expected {}, found {}",
            wanted(expected),
            plain(found)
        ))
    }

    fn unknown_variant(word: &str, names: &'static [&'static str]) -> Self {
        Self::whole(hint::not_one_of(word, names))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self {
            known: Some(known),
            ..Self::whole("no such setting")
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, "is missing; it has no default")
    }
}

/// What a type expects, in words that need no Rust.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "usize" | "u64" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        struct_name if struct_name.starts_with("struct ") => "a table".to_owned(),
        _ => text,
    }
}

fn plain(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Other(date) => format!("the date {date}"),
        other => other.to_string(),
    }
}

fn unexpected(node: &Node) -> Unexpected<'_> {
    match node {
        Node::Table(_) => Unexpected::Map,
        Node::List(_) => Unexpected::Seq,
        Node::Text(text) => Unexpected::Str(text),
        Node::Integer(number) => Unexpected::Signed(*number),
        Node::Float(number) => Unexpected::Float(*number),
        Node::Boolean(value) => Unexpected::Bool(*value),
        Node::Date(text) | Node::TooLarge(text) => Unexpected::Other(text),
        Node::Bare(value, _) => unexpected(value),
    }
}
