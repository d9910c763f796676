//! The rules for attaching to a queue, and for noticing the loss of a peer. A message attaches by
//! making its port id the queue's peer, the address that the queue sends packets to.

/// The rules for attaching to a queue, and for noticing the loss of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attaching {
    /// The rule for which port id a message makes the queue's peer (ATT-1).
    pub(crate) peer_known_by: PeerKnownBy,
    /// The rule that says if a message with a refused body attaches (ATT-2).
    pub(crate) refused_body: RefusedBody,
    /// The effect of a message whose port id is not the peer's (ATT-3).
    pub(crate) second_peer: SecondPeer,
    /// The moment at which the queue notices that its peer's socket was closed (ATT-4).
    pub(crate) peer_loss: PeerLoss,
    /// The messages that need `CAP_NET_ADMIN` (ATT-5, MSG-5).
    pub(crate) capability: Capability,
    /// The rule that says if binding a socket attaches it (ATT-6).
    pub(crate) binding: Binding,
}

/// The rule for which port id a message makes the queue's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerKnownBy {
    /// The port id in the message's header becomes the peer.
    Header,
    /// The port id of the socket that sent the message becomes the peer. No kernel does this.
    Socket,
}

/// The rule that says if a message with a refused body attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedBody {
    /// A message whose body is refused attaches all the same: the peer is set before the body is
    /// looked at.
    Attaches,
    /// A message whose body is refused does not attach. No kernel does this.
    AttachesNobody,
}

/// The effect of a message whose port id is not the peer's, on a queue that has a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondPeer {
    /// A message with another port id than the peer's is refused with EBUSY.
    Refused,
    /// A message with another port id takes the queue over: that port id is the peer from then on.
    /// Mode and range stay. Queued packets are dropped.
    TakesOver,
    /// A message with another port id takes the queue over: that port id is the peer from then on.
    /// Mode, range and queued packets stay. No kernel does this.
    TakesOverPackets,
    /// A message with another port id takes the queue over: that port id is the peer from then on.
    /// The queue starts in mode NONE with range 0, and queued packets are dropped. No kernel does
    /// this.
    TakesOverAnew,
}

/// The moment at which a queue notices that its peer's socket was closed. The queue then resets: no
/// peer, mode NONE, range 0, and its packets are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerLoss {
    /// The queue resets at once when its peer's socket is closed.
    AtOnce,
    /// The queue resets when the next packet's frame can't be delivered, since nobody has the
    /// peer's port id. As long as no frame is made, as in mode NONE, the loss stays unnoticed.
    AtNextPacket,
    /// The queue resets at once when its peer's socket is closed, and also when a bound socket of
    /// any other protocol is closed. No kernel does this.
    AtOnceInBothQueues,
    /// The queue does not reset when its peer's socket is closed, then or later. No kernel does
    /// this.
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

/// The effect of binding a socket on the queue of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Binding a socket attaches nobody to the queue.
    AttachesNobody,
    /// Binding a socket attaches its port id to the queue, in mode META. No kernel does this.
    Attaches,
}
