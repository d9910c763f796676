//! Names the fields of netlink datagrams, Ethernet frames and packets, for people who read them.
//!
//! No byte string is refused. Bytes that are cut short or make no sense are named as far as
//! possible.

mod ip;
mod netlink;
pub(crate) mod nfnetlink;
mod table;

pub(crate) use netlink::summary;
pub(crate) use table::{compare, dump, first_difference, write_field};

use ipq_core::wire::Abi;
use std::fmt::Display;
use std::ops::Range;

/// The format of a byte string whose fields are to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A netlink datagram of `ip_queue` or `nfnetlink_queue`, in this layout.
    Netlink(Abi),
    /// An Ethernet frame.
    Ethernet,
    /// An IPv4 or IPv6 packet, from its network header on.
    Ip,
}

/// A range of bytes with its name, and its value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) at: Range<usize>,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Returns the fields of `bytes`, in order and without gaps.
pub(crate) fn fields(bytes: &[u8], kind: Kind) -> Vec<Field> {
    let mut cursor = Cursor::new(bytes);
    match kind {
        Kind::Netlink(abi) => netlink::decode(&mut cursor, abi),
        Kind::Ethernet => ip::decode_ethernet(&mut cursor),
        Kind::Ip => ip::decode(&mut cursor),
    }
    cursor.rest("more");
    cursor.fields
}

/// A reader that goes through bytes and gives them names, with the fields that it has named so far.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    prefix: &'static str,
    fields: Vec<Field>,
}

impl<'a> Cursor<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            prefix: "",
            fields: Vec::new(),
        }
    }

    /// Returns the bytes that have no name yet.
    pub(super) fn remaining(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Sets the prefix of the names of all fields that follow.
    pub(super) const fn set_prefix(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// Names the next `length` bytes, with the value that `show` returns for them, and returns
    /// these bytes. If fewer are left, they become a field that says so, and `None` is returned. If
    /// none are left or `length` is 0, there is no field, and `None` is returned.
    pub(super) fn field<V: Display>(
        &mut self,
        name: &str,
        length: usize,
        show: impl FnOnce(&'a [u8]) -> V,
    ) -> Option<&'a [u8]> {
        let remaining = self.remaining();
        if remaining.is_empty() || length == 0 {
            return None;
        }
        let found = remaining.get(..length);
        let value = found.map_or_else(
            || format!("cut: {} of {length} bytes", remaining.len()),
            |bytes| show(bytes).to_string(),
        );
        let end = self.at + length.min(remaining.len());
        self.fields.push(Field {
            at: self.at..end,
            name: format!("{}{name}", self.prefix),
            value,
        });
        self.at = end;
        found
    }

    /// Takes over the fields of `inner`, which must be a cursor over this cursor's remaining bytes.
    /// Puts this cursor's prefix before their names. Steps past the bytes that `inner` named.
    pub(super) fn adopt(&mut self, inner: Cursor<'_>) {
        let (start, prefix) = (self.at, self.prefix);
        self.at += inner.at;
        self.fields.extend(inner.fields.into_iter().map(|field| Field {
            at: field.at.start + start..field.at.end + start,
            name: format!("{prefix}{}", field.name),
            ..field
        }));
    }

    /// Names all bytes that are left `name`.
    pub(super) fn rest(&mut self, name: &str) {
        let length = self.remaining().len();
        self.field(name, length, |bytes| format!("{} bytes", bytes.len()));
    }
}
