//! The rules for attaching to a queue, and for noticing the loss of a peer.

/// The rules of attaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attaching {
    /// The port id that becomes the peer's when a message attaches (ATT-1).
    pub(crate) peer_known_by: PeerKnownBy,
    /// The rule for a message whose body is refused: it attaches, or does not (ATT-2).
    pub(crate) refused_body: RefusedBody,
    /// The effect of a message with another port id than the peer's (ATT-3).
    pub(crate) second_peer: SecondPeer,
    /// The time at which the queue notices that its peer's socket is closed (ATT-4).
    pub(crate) peer_loss: PeerLoss,
    /// The messages that need `CAP_NET_ADMIN` (ATT-5, MSG-5).
    pub(crate) capability: Capability,
    /// The effect of binding a socket that has not sent anything yet (ATT-6).
    pub(crate) binding: Binding,
}

/// The port id that becomes the peer's when a message attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerKnownBy {
    /// The port id in the message's header becomes the peer's.
    Header,
    /// The sending socket's port id becomes the peer's. No kernel does this.
    Socket,
}

/// The rule for attaching with a message whose body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedBody {
    /// The message attaches: the peer is set before the body is looked at.
    Attaches,
    /// The message does not attach. No kernel does this.
    AttachesNobody,
}

/// The fate of a message from another port id than the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondPeer {
    /// The message is refused with EBUSY.
    Refused,
    /// The message's port id is the peer's from then on. Mode and range stay; queued packets are
    /// dropped.
    TakesOver,
    /// The message's port id is the peer's from then on, and queued packets stay. No kernel does
    /// this.
    TakesOverPackets,
    /// The message's port id is the peer's from then on, in mode NONE. Queued packets are dropped.
    /// No kernel does this.
    TakesOverAnew,
}

/// The time at which a queue notices that its peer's socket is closed, and resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerLoss {
    /// The queue resets at once.
    AtOnce,
    /// The queue resets when the next packet can't be delivered, since nobody has the port id. In
    /// mode NONE, and while the queue is full, that never happens.
    AtNextPacket,
    /// The queue resets at once, and so does the other family's. No kernel does this.
    AtOnceInBothQueues,
    /// The queue never resets. No kernel does this.
    Never,
}

/// The messages that need `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Every message needs the capability.
    ForEveryMessage,
    /// Every message but a verdict needs the capability. No kernel does this.
    ExceptForVerdicts,
    /// No message needs the capability. No kernel does this.
    ForNothing,
}

/// The effect on the queue of binding a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Binding attaches nobody.
    AttachesNobody,
    /// Binding attaches the socket's port id, in mode META. No kernel does this.
    Attaches,
}
