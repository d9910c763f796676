//! The rules for attaching to a queue, and for noticing the loss of a peer.

/// The rules of attaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attaching {
    /// The port id of a message that attaches (ATT-1).
    pub(crate) peer_known_by: PeerKnownBy,
    /// The rule for a message whose body is refused: it attaches, or does not (ATT-2).
    pub(crate) refused_body: RefusedBody,
    /// The effect of a message with another port id than the peer's (ATT-3).
    pub(crate) second_peer: SecondPeer,
    /// When the queue notices that its peer's socket is closed (ATT-4).
    pub(crate) peer_loss: PeerLoss,
    /// The messages that need `CAP_NET_ADMIN` (ATT-5, MSG-5).
    pub(crate) capability: Capability,
    /// The effect of binding a socket that has not sent anything yet (ATT-6).
    pub(crate) binding: Binding,
}

/// The port id that attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerKnownBy {
    /// The one in the message's header.
    Header,
    /// The sending socket's. No kernel does.
    Socket,
}

/// The rule for attaching with a message whose body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedBody {
    /// It does: the peer is set before the body is looked at.
    Attaches,
    /// It does not. No kernel does.
    AttachesNobody,
}

/// The fate of a message from another port id than the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondPeer {
    /// It is refused with EBUSY.
    Refused,
    /// Its port id is the peer from then on. Mode and range stay; what is queued is dropped.
    TakesOver,
    /// Its port id is the peer from then on, and what is queued stays. No kernel does.
    TakesOverPackets,
    /// Its port id is the peer from then on, in mode NONE. What is queued is dropped. No kernel does.
    TakesOverAnew,
}

/// When a queue notices that its peer's socket is closed, and resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerLoss {
    /// At once.
    AtOnce,
    /// When the next packet can't be delivered since nobody has the port id. In mode NONE, and
    /// while the queue is full, that never happens.
    AtNextPacket,
    /// At once, and the other family's queue resets too. No kernel does.
    AtOnceInBothQueues,
    /// Never. No kernel does.
    Never,
}

/// The messages that need `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// All.
    ForEveryMessage,
    /// All but verdicts. No kernel does.
    ExceptForVerdicts,
    /// None. No kernel does.
    ForNothing,
}

/// The effect on the queue of binding a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Nothing.
    AttachesNobody,
    /// The socket's port id attaches, in mode META. No kernel does.
    Attaches,
}
