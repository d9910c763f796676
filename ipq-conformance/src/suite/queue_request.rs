//! Messages from a program to a numbered queue, for tests.

use bytes::Bytes;
use ipq_core::wire::nfnetlink::{attribute, command, message_type};

/// A message to `nfnetlink_queue`. Unless a method changes it, it has the flag REQUEST alone, and 0
/// as sequence number, port id, address family and version.
///
/// The headers of netlink and of attributes are in the byte order of the machine that runs the
/// suite. The queue number and the numbers in attributes are big-endian. Attributes stand in the
/// order of the calls that add them. Nothing is checked: a case may build messages that no program
/// should send.
#[derive(Clone, Debug)]
pub struct QueueRequest {
    message_type: u16,
    flags: u16,
    sequence: u32,
    port_id: u32,
    family: u8,
    version: u8,
    resource: u16,
    attributes: Vec<u8>,
    stated_length: Option<u32>,
}

impl QueueRequest {
    /// The flag `NLM_F_REQUEST`. The kernel does not carry out a message without this flag.
    pub const REQUEST: u16 = 1;
    /// The flag `NLM_F_ACK`: the kernel answers a success, and not only an error.
    pub const ACK: u16 = 4;
    /// The type of a message that begins a batch: `NFNL_MSG_BATCH_BEGIN`.
    pub const BATCH_BEGIN: u16 = 0x10;
    /// The type of a message that ends a batch: `NFNL_MSG_BATCH_END`.
    pub const BATCH_END: u16 = 0x11;

    /// Returns a message of this type for the queue with this number, without attributes.
    #[must_use]
    pub const fn new(message_type: u16, queue: u16) -> Self {
        Self {
            message_type,
            flags: Self::REQUEST,
            sequence: 0,
            port_id: 0,
            family: 0,
            version: 0,
            resource: queue,
            attributes: Vec::new(),
            stated_length: None,
        }
    }

    /// Returns a CONFIG message for the queue with this number, without attributes.
    #[must_use]
    pub const fn config(queue: u16) -> Self {
        Self::new(message_type::CONFIG, queue)
    }

    /// Returns a CONFIG message with the command BIND for the queue with this number.
    #[must_use]
    pub fn bind(queue: u16) -> Self {
        Self::config(queue).command(command::BIND)
    }

    /// Returns a CONFIG message with the command UNBIND for the queue with this number.
    #[must_use]
    pub fn unbind(queue: u16) -> Self {
        Self::config(queue).command(command::UNBIND)
    }

    /// Returns a VERDICT message for the queue with this number: the verdict `value` on the packet
    /// with the packet id `id`.
    #[must_use]
    pub fn verdict(queue: u16, value: u32, id: u32) -> Self {
        Self::new(message_type::VERDICT, queue).verdict_header(value, id)
    }

    /// Returns a `VERDICT_BATCH` message for the queue with this number: the verdict `value` on the
    /// queued packets from the oldest on, as far as no packet id is later than `id` (NFQ-65).
    #[must_use]
    pub fn verdict_up_to(queue: u16, value: u32, id: u32) -> Self {
        Self::new(message_type::VERDICT_BATCH, queue).verdict_header(value, id)
    }

    /// Returns the message `BATCH_BEGIN` for this subsystem of nfnetlink, such as 10 for nftables.
    #[must_use]
    pub const fn batch_begin(subsystem: u16) -> Self {
        Self::new(Self::BATCH_BEGIN, subsystem)
    }

    // Attributes.

    /// Adds an attribute of type `kind`. Zeros after the content pad the attribute to a multiple of
    /// 4 bytes.
    #[must_use]
    pub fn attribute(mut self, kind: u16, content: &[u8]) -> Self {
        push_attribute(&mut self.attributes, kind, content);
        self
    }

    /// Adds an attribute of type `kind` with a big-endian number of 32 bits.
    #[must_use]
    pub fn number(self, kind: u16, number: u32) -> Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    /// Adds bytes after the attributes so far, without a header or padding.
    #[must_use]
    pub fn following(mut self, bytes: &[u8]) -> Self {
        self.attributes.extend(bytes);
        self
    }

    /// Adds the attribute CMD: this command of a CONFIG message, with the protocol family IPv4.
    #[must_use]
    pub fn command(self, command: u8) -> Self {
        self.attribute(attribute::CONFIG_COMMAND, &[command, 0, 0, 2])
    }

    /// Adds the attribute PARAMS, with a copy mode and range.
    #[must_use]
    pub fn mode(self, mode: u8, range: u32) -> Self {
        let [a, b, c, d] = range.to_be_bytes();
        self.attribute(attribute::CONFIG_PARAMETERS, &[a, b, c, d, mode])
    }

    /// Adds the attribute MAXLEN: the queue's maximum length in packets.
    #[must_use]
    pub fn maximum_length(self, packets: u32) -> Self {
        self.number(attribute::CONFIG_MAX_LENGTH, packets)
    }

    /// Adds the attributes FLAGS and MASK. Only the flags in `mask` are changed.
    #[must_use]
    pub fn queue_flags(self, flags: u32, mask: u32) -> Self {
        self.number(attribute::CONFIG_FLAGS, flags)
            .number(attribute::CONFIG_MASK, mask)
    }

    /// Adds the attribute `VERDICT_HDR`: the verdict's value and the packet id.
    #[must_use]
    pub fn verdict_header(self, value: u32, id: u32) -> Self {
        let content = [value.to_be_bytes(), id.to_be_bytes()].concat();
        self.attribute(attribute::VERDICT_HEADER, &content)
    }

    /// Adds the attribute MARK: the mark that the packet gets.
    #[must_use]
    pub fn mark(self, mark: u32) -> Self {
        self.number(attribute::MARK, mark)
    }

    /// Adds the attribute PRIORITY: the priority that the packet gets.
    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        self.number(attribute::PRIORITY, priority)
    }

    /// Adds the attribute PAYLOAD: the bytes that replace the packet.
    #[must_use]
    pub fn payload(self, packet: &[u8]) -> Self {
        self.attribute(attribute::PAYLOAD, packet)
    }

    // The headers.

    /// Adds the flag ACK, so that the kernel answers a success, too.
    #[must_use]
    pub const fn ack(self) -> Self {
        let flags = self.flags | Self::ACK;
        self.flags(flags)
    }

    /// Sets all flags of the netlink header.
    #[must_use]
    pub const fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// Sets the sequence number in the netlink header.
    #[must_use]
    pub const fn sequence(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    /// Sets the port id in the netlink header.
    #[must_use]
    pub const fn port_id(mut self, port_id: u32) -> Self {
        self.port_id = port_id;
        self
    }

    /// Sets the address family and the version in the header of nfnetlink.
    #[must_use]
    pub const fn family_and_version(mut self, family: u8, version: u8) -> Self {
        (self.family, self.version) = (family, version);
        self
    }

    /// Sets the length in the netlink header, which may differ from the number of bytes. Without
    /// this call the header has the number of bytes.
    #[must_use]
    pub const fn stated_length(mut self, length: u32) -> Self {
        self.stated_length = Some(length);
        self
    }

    /// Returns the bytes of the message, from the netlink header on.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let length = 20 + self.attributes.len();
        let length = self.stated_length.unwrap_or(length as u32);
        let mut message = Vec::with_capacity(20 + self.attributes.len());
        message.extend(length.to_ne_bytes());
        message.extend(self.message_type.to_ne_bytes());
        message.extend(self.flags.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(self.port_id.to_ne_bytes());
        message.extend([self.family, self.version]);
        message.extend(self.resource.to_be_bytes());
        message.extend(&self.attributes);
        message.into()
    }
}

/// Appends an attribute of type `kind`. Zeros after the content pad the attribute to a multiple of
/// 4 bytes.
pub(super) fn push_attribute(attributes: &mut Vec<u8>, kind: u16, content: &[u8]) {
    attributes.extend((content.len() as u16 + 4).to_ne_bytes());
    attributes.extend(kind.to_ne_bytes());
    attributes.extend(content);
    attributes.resize(attributes.len().next_multiple_of(4), 0);
}
