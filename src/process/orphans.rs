//! Children that nobody waits for: reaped by and by, so that they do not stay
//! zombies.

use std::collections::VecDeque;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are looked at for each process that is started: more than one comes
/// in, so the dead do not pile up.
const AT_ONCE: usize = 16;

static ORPHANS: Mutex<VecDeque<Child>> = Mutex::new(VecDeque::new());

fn orphans() -> MutexGuard<'static, VecDeque<Child>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a child that was dropped, unless it has ended.
pub(super) fn adopt(mut child: Child) {
    if let Ok(None) = child.try_wait() {
        orphans().push_back(child);
    }
}

/// Reaps those who have ended among the next few.
pub(super) fn reap_some() {
    let mut orphans = orphans();
    for _ in 0..orphans.len().min(AT_ONCE) {
        if let Some(mut child) = orphans.pop_front()
            && let Ok(None) = child.try_wait()
        {
            orphans.push_back(child);
        }
    }
}
