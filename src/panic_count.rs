//! Keeps `std::thread::panicking()` true to the stack that runs.
//!
//! std counts the panics in flight per thread, not per stack. When a stack is
//! left in the middle of an unwinding (a destructor suspended), the count must
//! go down, or everybody else on the thread would see `panicking()` and poison
//! their mutexes; when the stack is entered again, it must go up.
//!
//! std offers no way to set the count, but two ordinary moves change it. A
//! [`Token`] is a stack that was left inside a destructor during its own
//! unwinding:
//! - making one adds one to the count of the thread that makes it;
//! - finishing one takes one off the count of the thread that finishes it.
//!
//! So to enter a stack is to make tokens, and to leave it is to finish them. The
//! first token of a thread comes from a helper thread, whose own count is of no
//! interest to anybody. While a token exists, std's process-wide count is
//! raised, which makes `panicking()` slower everywhere, so tokens go back to the
//! helper as soon as no stack of the thread is left in mid-unwind.
//!
//! All this is slow (tens of microseconds) and happens only where a destructor
//! suspends during an unwinding.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corosensei::stack::valgrind::ValgrindStackRegistration;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::stack::{Stack, StackClass};

/// Unwinding takes a few KiB.
const TOKEN_STACK: usize = 64 << 10;
/// How long the helper waits for work before it ends.
const HELPER_IDLE: Duration = Duration::from_secs(1);

/// A number of panics in flight that were taken off this thread's count.
#[must_use]
pub(crate) struct Aside(usize);

impl Aside {
    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.0
    }
}

/// Takes the panics in flight of the running stack off the thread's count.
/// Afterwards `panicking()` is false.
#[cold]
#[inline(never)]
pub(crate) fn set_aside() -> Aside {
    let mut count = 0;
    while thread::panicking() {
        // An ending thread has no purse any more; the token is then borrowed.
        let spare = PURSE.try_with(|purse| purse.spare.borrow_mut().pop());
        spare.ok().flatten().unwrap_or_else(borrow).finish();
        count += 1;
    }
    let _ = PURSE.try_with(|purse| purse.away.set(purse.away.get() + count));
    Aside(count)
}

/// The reverse of [`set_aside`], on the stack that called it.
#[cold]
#[inline(never)]
pub(crate) fn put_back(Aside(count): Aside) {
    for _ in 0..count {
        let token = Token::make();
        // With no purse the token is leaked, suspended where it is.
        let mut token = Some(token);
        let _ = PURSE.try_with(|purse| purse.spare.borrow_mut().extend(token.take()));
        std::mem::forget(token);
    }
    let _ = PURSE.try_with(|purse| {
        purse.away.set(purse.away.get() - count);
        if purse.away.get() == 0 {
            purse.give_back();
        }
    });
}

/// How many panics are in flight on the running stack.
pub(crate) fn depth() -> usize {
    if !thread::panicking() {
        return 0;
    }
    let aside = set_aside();
    let depth = aside.count();
    put_back(aside);
    depth
}

/// What a thread holds of tokens.
#[derive(Default)]
struct Purse {
    spare: RefCell<Vec<Token>>,
    /// Panics that are set aside at the moment.
    away: Cell<usize>,
}

thread_local! {
    static PURSE: Purse = Purse::default();
}

impl Purse {
    fn give_back(&self) {
        for token in self.spare.take() {
            ask_helper(Request::Take(token));
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        self.give_back();
    }
}

enum Request {
    Make(mpsc::Sender<Token>),
    Take(Token),
}

/// Sends a request to the helper thread, which is started if there is none.
fn ask_helper(request: Request) {
    use std::sync::{Mutex, PoisonError};
    static HELPER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);

    fn serve(requests: &mpsc::Receiver<Request>) {
        loop {
            let request = requests.recv_timeout(HELPER_IDLE).or_else(|_| {
                // Under the lock nobody sends: what is not here now goes to the
                // next helper.
                let mut running = HELPER.lock().unwrap_or_else(PoisonError::into_inner);
                requests.try_recv().inspect_err(|_| *running = None)
            });
            match request {
                Ok(Request::Make(reply)) => {
                    if let Err(mpsc::SendError(token)) = reply.send(Token::make()) {
                        token.finish();
                    }
                }
                Ok(Request::Take(token)) => token.finish(),
                Err(_) => return,
            }
        }
    }

    let mut running = HELPER.lock().unwrap_or_else(PoisonError::into_inner);
    let sender = running.get_or_insert_with(|| {
        let (sender, requests) = mpsc::channel();
        let helper = thread::Builder::new().name("corobin-unwind".into());
        if let Err(error) = helper.spawn(move || serve(&requests)) {
            give_up(&format!("cannot start a thread: {error}"));
        }
        sender
    });
    if sender.send(request).is_err() {
        give_up("its helper thread has died");
    }
}

fn borrow() -> Token {
    let (reply, token) = mpsc::channel();
    ask_helper(Request::Make(reply));
    match token.recv() {
        Ok(token) => token,
        Err(_) => give_up("its helper thread has died"),
    }
}

/// There is no error to return inside a destructor during unwinding, and to go
/// on would let other coroutines see a panic that is not theirs.
fn give_up(reason: &str) -> ! {
    eprintln!("corobin: a destructor suspended during an unwinding, and {reason}; aborting");
    std::process::abort();
}

/// A stack left inside a destructor during its own unwinding.
struct Token(Coroutine<(), (), (), TokenStack>);

// SAFETY: the suspended frames are std's unwinder and `Token::make`'s own; they
// hold an exception on the heap and nothing that is tied to a thread but the
// count, which is what a token is for.
unsafe impl Send for Token {}

impl Token {
    /// Adds one to this thread's count.
    fn make() -> Token {
        struct Leave<'a>(&'a Yielder<(), ()>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.suspend(());
            }
        }
        let stack = match TokenStack::new() {
            Ok(stack) => stack,
            Err(error) => give_up(&error.to_string()),
        };
        let mut token = Coroutine::with_stack(stack, |yielder: &Yielder<(), ()>, ()| {
            let unwound = catch_unwind(AssertUnwindSafe(|| -> Infallible {
                let _leave = Leave(yielder);
                resume_unwind(Box::new(()))
            }));
            drop(unwound);
        });
        match token.resume(()) {
            CoroutineResult::Yield(()) => Token(token),
            CoroutineResult::Return(()) => unreachable!("a token leaves in its destructor"),
        }
    }

    /// Takes one off this thread's count.
    fn finish(mut self) {
        match self.0.resume(()) {
            CoroutineResult::Return(()) => {}
            CoroutineResult::Yield(()) => unreachable!("a token leaves once"),
        }
    }
}

/// A stack of its own, since tokens change threads and the pools do not.
struct TokenStack {
    stack: Stack,
    class: StackClass,
    /// Without it valgrind takes a switch for a call, and what lies between the two
    /// stacks, the thread's variables among it, for a part of the stack.
    _registration: ValgrindStackRegistration,
}

impl TokenStack {
    fn new() -> std::io::Result<TokenStack> {
        let class = StackClass::for_one(TOKEN_STACK)?;
        let stack = class.take()?;
        let length = stack.base() - stack.low();
        let registration = ValgrindStackRegistration::new(stack.low() as *mut u8, length);
        Ok(TokenStack {
            stack,
            class,
            _registration: registration,
        })
    }
}

impl Drop for TokenStack {
    fn drop(&mut self) {
        let stack = Stack::from_parts(self.stack.base(), self.stack.low());
        // SAFETY: the coroutine on it has ended.
        unsafe { self.class.give_back([stack]) };
    }
}

// SAFETY: the stack is mapped, guarded and aligned until the drop above.
unsafe impl corosensei::stack::Stack for TokenStack {
    fn base(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.stack.base()).expect("a stack is not at zero")
    }

    fn limit(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.stack.low()).expect("a stack is not at zero")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OnDrop<F: FnMut()>(F);
    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    fn while_unwinding(f: impl FnMut()) {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _on_drop = OnDrop(f);
            resume_unwind(Box::new(()));
        }));
        assert!(unwound.is_err());
    }

    #[test]
    fn set_aside_and_put_back_are_balanced() {
        for _ in 0..20 {
            while_unwinding(|| {
                for _ in 0..3 {
                    assert!(thread::panicking());
                    let aside = set_aside();
                    assert!(!thread::panicking());
                    put_back(aside);
                    assert!(thread::panicking());
                }
            });
            assert!(!thread::panicking());
        }
        PURSE.with(|purse| assert!(purse.spare.borrow().is_empty()));
    }

    #[test]
    fn nested_unwindings_are_counted() {
        assert_eq!(depth(), 0);
        while_unwinding(|| {
            assert_eq!(depth(), 1);
            while_unwinding(|| {
                assert_eq!(depth(), 2);
                let aside = set_aside();
                while_unwinding(|| assert_eq!(depth(), 1));
                put_back(aside);
                assert_eq!(depth(), 2);
            });
            assert_eq!(depth(), 1);
        });
        assert_eq!(depth(), 0);
    }
}
