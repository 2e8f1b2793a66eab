//! Readiness: epoll(7), edge-triggered, each descriptor registered once.
//!
//! An edge is told when something has changed since it was told last, so a
//! [`Source`] remembers it until a try has found nothing. Between a try and what
//! is noted of it no other look takes place, so no edge is lost.

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::{Direction, Source, passes};

/// What the kernel hands over at once. The loop looks each 64 steps, and whoever answers by the
/// ring takes two, so those who are woken run while what was touched of them is in the cache.
const EVENTS: usize = 32;
/// Not a descriptor: the bell.
const BELL: u64 = u64::MAX;

const INTEREST: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::PRI)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);
const READ: EventFlags = EventFlags::IN
    .union(EventFlags::PRI)
    .union(EventFlags::RDHUP)
    .union(BOTH);
const READ_IS_OVER: EventFlags = EventFlags::RDHUP.union(BOTH);
const WRITE: EventFlags = EventFlags::OUT.union(BOTH);
const BOTH: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

/// In which directions another try is worth it.
pub(super) struct News {
    pub(super) to_read: bool,
    pub(super) to_write: bool,
}

pub(crate) struct Poll {
    epoll: OwnedFd,
    /// By number of the descriptor.
    sources: RefCell<Vec<Option<Rc<Source>>>>,
    events: RefCell<Box<[MaybeUninit<epoll::Event>; EVENTS]>>,
}

impl Poll {
    /// A poller whose sleep ends when `bell` is rung.
    ///
    /// # Errors
    /// The system gives no descriptor.
    pub(super) fn new(bell: &OwnedFd) -> io::Result<Poll> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Edge-triggered: each ring is told once, and nobody need read it.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, bell, EventData::new_u64(BELL), flags)?;
        Ok(Poll {
            epoll,
            sources: RefCell::default(),
            events: RefCell::new(Box::new([MaybeUninit::uninit(); EVENTS])),
        })
    }

    /// The source of a descriptor, for one more user.
    ///
    /// # Errors
    /// The kernel cannot poll such a descriptor (`EPERM`), or has no room.
    pub(crate) fn register(self: &Rc<Self>, fd: BorrowedFd<'_>) -> io::Result<Rc<Source>> {
        let number = fd.as_raw_fd();
        let at = usize::try_from(number).unwrap_or_else(|_| unreachable!("an open descriptor"));
        let mut sources = self.sources.borrow_mut();
        if at >= sources.len() {
            sources.resize(at + 1, None);
        }
        let data = EventData::new_u64(at as u64);
        // Also with a source there: the kernel has forgotten the descriptor if somebody else has
        // closed it. And it may know one without a source, which was closed behind our back while
        // a duplicate of it is still open.
        match epoll::add(&self.epoll, fd, data, INTEREST) {
            Err(Errno::EXIST) => epoll::modify(&self.epoll, fd, data, INTEREST),
            other => other,
        }?;
        let source =
            sources[at].get_or_insert_with(|| Rc::new(Source::new(number, Rc::downgrade(self))));
        source.users.set(source.users.get() + 1);
        Ok(Rc::clone(source))
    }

    /// Whether `source` was registered here.
    #[inline(always)]
    pub(crate) fn knows(self: &Rc<Self>, source: &Source) -> bool {
        // The weak reference keeps the address from being used again.
        std::ptr::eq(Weak::as_ptr(&source.poll), Rc::as_ptr(self))
    }

    /// Hands each source that has news to `tell`, with how many events there are; sleeps for at
    /// most `timeout` until there is one, or the bell rings. Says whether there may be more.
    #[inline(always)]
    pub(super) fn look(
        &self,
        timeout: Option<Duration>,
        mut tell: impl FnMut(&Rc<Source>, News, usize),
    ) -> bool {
        let mut events = self.events.borrow_mut();
        let sources = self.sources.borrow();
        // All are far below what the kernel counts to.
        let mut timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        if let Some(precise) = timeout.filter(|timeout| timeout.tv_nsec % 1_000_000 != 0) {
            // What epoll_wait would round to milliseconds.
            let mut epoll = [PollFd::new(&self.epoll, PollFlags::IN)];
            match rustix::event::poll(&mut epoll, Some(&precise)) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => pass("ppoll", error),
            }
            timeout = Some(Timespec::default());
        }
        let told = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((told, _)) => told,
            Err(error) => {
                pass("epoll_wait", error);
                Default::default()
            }
        };
        let count = told.len();
        for event in told {
            let (flags, at) = (event.flags, event.data.u64());
            let Some(Some(source)) = usize::try_from(at).ok().and_then(|at| sources.get(at)) else {
                continue;
            };
            if flags.contains(EventFlags::PRI) {
                source.urgent.set(true);
            }
            let news = News {
                to_read: flags.intersects(READ),
                to_write: flags.intersects(WRITE),
            };
            if news.to_read {
                source.has_news(Direction::Read, flags.intersects(READ_IS_OVER));
            }
            if news.to_write {
                source.has_news(Direction::Write, flags.intersects(BOTH));
            }
            tell(source, news, count);
        }
        count == EVENTS
    }
}

/// After a look that has failed.
///
/// # Panics
/// It will fail again. A loop that looked again would do so for ever, and wake nobody.
#[cold]
fn pass(call: &str, error: Errno) {
    assert!(
        passes(error),
        "{call} fails, so nothing can be waited for any more: {error}"
    );
}

impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Source {
    /// One user less. After the last the kernel forgets the descriptor, which is
    /// still open.
    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) {
        self.users.set(self.users.get() - 1);
        if self.users.get() > 0 {
            return;
        }
        // With its runtime gone there is nothing to undo.
        let Some(poll) = self.poll.upgrade() else {
            return;
        };
        let place = usize::try_from(self.fd).ok();
        let place = place.and_then(|at| poll.sources.borrow_mut().get_mut(at)?.take());
        debug_assert!(place.is_some());
        // It fails if the descriptor is not what it was; then there is nothing
        // to forget.
        let _ = epoll::delete(&poll, fd);
    }
}
