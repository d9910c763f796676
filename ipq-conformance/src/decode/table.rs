//! Dumps: the fields of a byte string, each with its offset, its bytes, its name and its value.

use super::{Field, Kind, fields};
use std::fmt::Write as _;
use std::ops::Range;

/// The most bytes of a field that one line shows.
const BYTES_A_LINE: usize = 16;

/// Returns a dump of `bytes`: a line for each field, and further lines for a field of more than 16
/// bytes.
pub(crate) fn dump(bytes: &[u8], kind: Kind) -> String {
    let mut text = String::new();
    for field in fields(bytes, kind) {
        write_field(&mut text, ' ', &field, bytes);
    }
    text
}

/// Returns a dump of both byte strings. The first field of one is paired with the first of the
/// other, and so on. If both fields of a pair have the same offsets and bytes, the field appears
/// once. Any other field appears after `-` if it is an expected one, after `+` if it is a seen one,
/// or after `~` if it lies within a range of `exempt`.
pub(crate) fn compare(expected: &[u8], seen: &[u8], kind: Kind, exempt: &[Range<usize>]) -> String {
    let mut text = String::new();
    let (expected_fields, seen_fields) = (fields(expected, kind), fields(seen, kind));
    for index in 0..expected_fields.len().max(seen_fields.len()) {
        match (expected_fields.get(index), seen_fields.get(index)) {
            (Some(one), Some(other)) if one.at == other.at && expected[one.at.clone()] == seen[other.at.clone()] => {
                write_field(&mut text, ' ', one, expected);
            }
            (one, other) => {
                let excused = |field: &Field| {
                    exempt
                        .iter()
                        .any(|range| range.start <= field.at.start && field.at.end <= range.end)
                };
                if let Some(one) = one {
                    write_field(&mut text, if excused(one) { '~' } else { '-' }, one, expected);
                }
                if let Some(other) = other {
                    write_field(&mut text, if excused(other) { '~' } else { '+' }, other, seen);
                }
            }
        }
    }
    text
}

/// Returns the first offset at which two byte strings differ; `None` if they are equal. If one is
/// the beginning of the other, the offset is its length.
pub(crate) fn first_difference(expected: &[u8], seen: &[u8]) -> Option<usize> {
    let common = expected.iter().zip(seen).position(|(one, other)| one != other);
    common.or_else(|| (expected.len() != seen.len()).then(|| expected.len().min(seen.len())))
}

/// Writes a line with `sign` and a field's offset, bytes, name and value. More lines follow if the
/// field has more than 16 bytes.
pub(crate) fn write_field(text: &mut String, sign: char, field: &Field, bytes: &[u8]) {
    let bytes = bytes.get(field.at.clone()).unwrap_or_default();
    for (index, line) in bytes.chunks(BYTES_A_LINE).enumerate() {
        let at = field.at.start + index * BYTES_A_LINE;
        let digits = hex::encode(line);
        let _ = if index == 0 {
            writeln!(text, "{sign} {at:5}  {digits:32}  {} = {}", field.name, field.value)
        } else {
            writeln!(text, "{sign} {at:5}  {digits}")
        };
    }
}
