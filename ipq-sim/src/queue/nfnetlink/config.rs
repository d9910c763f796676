//! CONFIG messages, which bind, unbind and set up queues (NFQ-20 to NFQ-32).

use super::attributes::{Attributes, Note, Policy};
use super::instance::Instance;
use super::messages::Request;
use super::{Queues, Rules, Sender};
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, command};

/// The types of attributes that a CONFIG message can have, and what the kernel demands of the
/// length of each.
const POLICIES: [(u16, Policy); 5] = [
    (attribute::CONFIG_COMMAND, Policy::AtLeast(4)),
    (attribute::CONFIG_PARAMETERS, Policy::AtLeast(5)),
    (attribute::CONFIG_MAX_LENGTH, Policy::Number),
    (attribute::CONFIG_MASK, Policy::Number),
    (attribute::CONFIG_FLAGS, Policy::Number),
];
type ConfigAttributes<'m> = Attributes<'m, 6>;

/// A message whose flags, read as a number, are this or more is refused: they have a bit that no
/// kernel knows.
const FLAGS_END: u32 = 32;

impl<T> Queues<T> {
    /// Carries out a CONFIG message. Adds the items of the packets that UNBIND drops to `taken`,
    /// each with 0 as its packet id. Returns the result, and the note for the answer.
    pub(super) fn configure(
        &mut self,
        request: &Request<'_>,
        sender: Sender,
        taken: &mut Vec<(u32, T)>,
    ) -> (Result<(), Errno>, Note) {
        match ConfigAttributes::read(request.bytes, &POLICIES) {
            Ok(attributes) => {
                let result = self.set_up(request.queue(), &attributes, sender, taken);
                (result, attributes.note)
            }
            Err((errno, note)) => (Err(errno), note),
        }
    }

    /// Carries out the attributes of a CONFIG message for queue `number`: first the command, if
    /// there is one, and then the settings. UNBIND ignores the settings. Adds the items of the
    /// packets that UNBIND drops to `taken`.
    ///
    /// A command for an address family succeeds and does nothing. Otherwise the first of these that
    /// holds makes the message fail:
    ///
    /// - Its flags are refused: EINVAL or EOPNOTSUPP.
    /// - Another port id owns the queue: EPERM.
    /// - The command is BIND, and the queue is bound: EBUSY.
    /// - The command is UNBIND, or there is none, and the queue is not bound: ENODEV.
    /// - The command is unknown: EOPNOTSUPP.
    fn set_up(
        &mut self,
        number: u16,
        attributes: &ConfigAttributes<'_>,
        sender: Sender,
        taken: &mut Vec<(u32, T)>,
    ) -> Result<(), Errno> {
        let command = attributes
            .start(attribute::CONFIG_COMMAND)
            .map(|[command]: [u8; 1]| command);
        if let Some(command::BIND_FAMILY | command::UNBIND_FAMILY) = command {
            return Ok(());
        }
        let flags = flags(attributes, &self.rules)?;
        let bound = self.instances.get(&number).map(Instance::owner);
        if bound.is_some_and(|owner| owner != sender.port_id) {
            return Err(Errno::EPERM);
        }
        match command {
            None => {}
            Some(command::BIND) if bound.is_some() => return Err(Errno::EBUSY),
            Some(command::BIND) => {
                self.bound += 1;
                self.instances.insert(number, Instance::new(sender.port_id, self.bound));
            }
            Some(command::UNBIND) => {
                let mut instance = self.instances.remove(&number).ok_or(Errno::ENODEV)?;
                taken.extend(instance.take_if(|_| true).into_iter().map(|item| (0, item)));
                return Ok(());
            }
            Some(_) => return Err(Errno::EOPNOTSUPP),
        }
        let instance = self.instances.get_mut(&number).ok_or(Errno::ENODEV)?;
        if let Some([range @ .., mode]) = attributes.start::<5>(attribute::CONFIG_PARAMETERS) {
            instance.set_mode(mode, u32::from_be_bytes(range));
        }
        if let Some(length) = attributes.number(attribute::CONFIG_MAX_LENGTH) {
            instance.maximum_length = length;
        }
        if let Some((flags, mask)) = flags {
            instance.flags = instance.flags & !mask | flags & mask;
        }
        Ok(())
    }
}

/// Returns the flags and the mask that a message has: a flag is set or cleared only if the mask has
/// it. Returns `None` if the message has no flags. Fails with EINVAL if it has flags but no mask,
/// and with EOPNOTSUPP if this kernel refuses one of the flags.
fn flags(attributes: &ConfigAttributes<'_>, rules: &Rules) -> Result<Option<(u32, u32)>, Errno> {
    let Some(flags) = attributes.number(attribute::CONFIG_FLAGS) else {
        return Ok(None);
    };
    let mask = attributes.number(attribute::CONFIG_MASK).ok_or(Errno::EINVAL)?;
    if flags >= FLAGS_END || flags & mask & rules.refused_flags != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(Some((flags, mask)))
}
