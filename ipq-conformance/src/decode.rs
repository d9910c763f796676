//! Bytes with the names of their fields, for people who look for a difference.
//!
//! Nothing here refuses anything: what is cut short, or makes no sense, is named as far as it goes.

mod ip;
mod netlink;
mod table;

pub(crate) use netlink::summary;
pub(crate) use table::{compare, dump, first_difference};

use ipq_core::wire::Abi;
use std::fmt::Display;
use std::ops::Range;

/// What a byte string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A datagram of the queue's protocol.
    Netlink(Abi),
    /// An Ethernet frame.
    Ethernet,
    /// A packet from its network header on.
    Ip,
}

/// A stretch of bytes that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) at: Range<usize>,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The fields of `bytes`, in order and without gaps.
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

/// Goes over bytes and names them.
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

    /// What has no name yet.
    pub(super) fn remaining(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Names that follow begin with this.
    pub(super) const fn set_prefix(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// The next `length` bytes are this, if they are there; they are returned to be looked at.
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

    /// Takes over what another cursor has named of what is left here.
    pub(super) fn adopt(&mut self, inner: Cursor<'_>) {
        let (start, prefix) = (self.at, self.prefix);
        self.at += inner.at;
        self.fields.extend(inner.fields.into_iter().map(|field| Field {
            at: field.at.start + start..field.at.end + start,
            name: format!("{prefix}{}", field.name),
            ..field
        }));
    }

    /// Everything that is left is this.
    pub(super) fn rest(&mut self, name: &str) {
        let length = self.remaining().len();
        self.field(name, length, |bytes| format!("{} bytes", bytes.len()));
    }
}
