//! Validates JSON against the schemas of the pipe's protocols.
//!
//! The validator knows the keywords that the schemas use, and panics on any other. That is enough
//! here, and a crate for all of JSON Schema would bring many packages.

use serde_json::Value;
use std::fs;
use std::path::Path;

pub(crate) struct Schema(Value);

impl Schema {
    /// Returns the schema of `docs/world-protocol.md`.
    pub(crate) fn of_worlds() -> Self {
        Self::read(include_str!("../../docs/world-protocol.schema.json"))
    }

    /// Returns the schema of `docs/client-protocol.md`.
    pub(crate) fn of_clients() -> Self {
        Self::read(include_str!("../../docs/client-protocol.schema.json"))
    }

    fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("the schema is JSON"))
    }

    /// Panics unless the schema accepts every line of the files in `folder`. Returns the number of
    /// lines.
    pub(crate) fn expect_lines_of(&self, folder: &Path) -> usize {
        let mut lines = 0;
        for file in fs::read_dir(folder).expect("the lines were kept") {
            let text = fs::read_to_string(file.expect("it is there").path()).expect("it is text");
            for line in text.lines() {
                lines += 1;
                assert!(self.accepts(&serde_json::from_str(line).expect("it is JSON")), "{line}");
            }
        }
        lines
    }

    /// Returns whether the schema accepts the line.
    pub(crate) fn accepts(&self, line: &Value) -> bool {
        self.matches(&self.0, line)
    }

    fn matches(&self, schema: &Value, value: &Value) -> bool {
        let schema = schema.as_object().expect("a schema is an object");
        schema.iter().all(|(keyword, rule)| match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|path| path.strip_prefix('#'));
                let target = self.0.pointer(name.expect("a reference is to this file"));
                self.matches(target.expect("the reference leads somewhere"), value)
            }
            "oneOf" => self.count(rule, value) == 1,
            "anyOf" => self.count(rule, value) > 0,
            "enum" => list(rule).contains(value),
            "const" => rule == value,
            "type" => has_type(rule.as_str().expect("a type is a word"), value),
            "minimum" => as_number(value).is_none_or(|number| Some(number) >= as_number(rule)),
            "maximum" => as_number(value).is_none_or(|number| Some(number) <= as_number(rule)),
            "pattern" => {
                assert_eq!(rule, "^([0-9a-fA-F]{2})*$", "only the pattern of bytes is known");
                value.as_str().is_none_or(|text| hex::decode(text).is_ok())
            }
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| self.matches(rule, item))),
            "required" => value.as_object().is_none_or(|object| {
                let mut required = list(rule).iter();
                required.all(|key| object.contains_key(key.as_str().expect("a key is text")))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                let rules = rule.as_object().expect("properties have names");
                let mut present = rules.iter().filter_map(|(key, rule)| Some((rule, object.get(key)?)));
                present.all(|(rule, value)| self.matches(rule, value))
            }),
            "additionalProperties" => value.as_object().is_none_or(|object| {
                let known = schema.get("properties").and_then(Value::as_object);
                let mut others = object
                    .iter()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
                match rule {
                    Value::Bool(allowed) => *allowed || others.next().is_none(),
                    rule => others.all(|(_, value)| self.matches(rule, value)),
                }
            }),
            other => panic!("the keyword {other:?} is not known here"),
        })
    }

    fn count(&self, schemas: &Value, value: &Value) -> usize {
        list(schemas)
            .iter()
            .filter(|schema| self.matches(schema, value))
            .count()
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("it is a list")
}

fn as_number(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from);
    signed.or_else(|| value.as_u64().map(i128::from))
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => as_number(value).is_some(),
        other => panic!("the type {other:?} is not known here"),
    }
}
