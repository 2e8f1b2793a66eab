//! The first of several closures to return wins.

use std::panic::Location;
use std::rc::Rc;

use crate::scheduler;
use crate::scope::scope;
use crate::spawn::Reserved;
use crate::suspend;
use crate::task::{Group, Joiner};

/// Runs all closures as coroutines of their own, gives the result of the first
/// to return, cancels the rest and waits for them.
///
/// Takes a tuple, an array or a `Vec` of closures with one result type. They may
/// borrow. A suspension point; a cancel cancels all of them.
///
/// Several may succeed in the same turn; then the results of the others are dropped, with what
/// they have taken. To receive from one of several channels and lose nothing, use
/// [`select!`](crate::select).
///
/// # Panics
/// With no closure at all; outside of a runtime. A panic in one of them cancels
/// the rest and is raised again.
///
/// ```
/// use corobin::{race, run, sleep};
/// use std::time::Duration;
///
/// let winner = run(|| {
///     race((
///         || {
///             sleep(Duration::from_secs(3600));
///             "the tortoise"
///         },
///         || {
///             sleep(Duration::from_millis(1));
///             "the hare"
///         },
///     ))
/// });
/// assert_eq!(winner, "the hare");
/// ```
#[track_caller]
pub fn race<'env, T: 'env>(arms: impl Arms<'env, T>) -> T {
    let at = Location::caller();
    let arms = arms.into_arms();
    assert!(!arms.is_empty(), "race needs at least one closure");
    let scheduler = scheduler::expect("race");
    scope(|s| {
        let group = Rc::new(Group::default());
        let mut handles: Vec<_> = Vec::with_capacity(arms.len());
        for (index, arm) in (0..).zip(arms) {
            let handle = s.start(scheduler, Reserved::default(), arm, at);
            let joiner = Joiner::Group(Rc::clone(&group), index);
            handle.inner().task().joiner.set(joiner);
            handles.push(handle);
        }
        let waiting = Waiting(&group);
        suspend::checkpoint(scheduler);
        let mut left = handles.len();
        let result = loop {
            let ended = group.ended.borrow_mut().pop_front();
            let Some(index) = ended else {
                assert!(left > 0, "race: all closures were cancelled");
                group.waiting.set(Some(scheduler.running()));
                suspend::park_on(scheduler, &"the first result of a race", at);
                continue;
            };
            left -= 1;
            if let Some(Ok(result)) = handles[index as usize].inner().claim() {
                break result;
            }
        };
        drop(waiting);
        s.cancel();
        drop(handles);
        result
    })
}

struct Waiting<'a>(&'a Group);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(None);
    }
}

/// What [`race`] takes: a tuple of up to twelve closures, an array, or a `Vec`.
pub trait Arms<'env, T> {
    /// The closures, in order.
    fn into_arms(self) -> Vec<Arm<'env, T>>;
}

/// One closure of a [`race`].
pub type Arm<'env, T> = Box<dyn FnOnce() -> T + 'env>;

impl<'env, T, F: FnOnce() -> T + 'env> Arms<'env, T> for Vec<F> {
    fn into_arms(self) -> Vec<Arm<'env, T>> {
        self.into_iter()
            .map(|arm| Box::new(arm) as Arm<'env, T>)
            .collect()
    }
}

impl<'env, T, F: FnOnce() -> T + 'env, const N: usize> Arms<'env, T> for [F; N] {
    fn into_arms(self) -> Vec<Arm<'env, T>> {
        Vec::from(self).into_arms()
    }
}

/// No closure at all, for which [`race`] panics.
impl<'env, T> Arms<'env, T> for () {
    fn into_arms(self) -> Vec<Arm<'env, T>> {
        Vec::new()
    }
}

macro_rules! arms_of_tuples {
    ($($first:ident $($rest:ident)*)?) => {$(
        impl<'env, T, $first, $($rest),*> Arms<'env, T> for ($first, $($rest,)*)
        where
            $first: FnOnce() -> T + 'env,
            $($rest: FnOnce() -> T + 'env,)*
        {
            #[allow(non_snake_case)]
            fn into_arms(self) -> Vec<Arm<'env, T>> {
                let ($first, $($rest,)*) = self;
                vec![Box::new($first), $(Box::new($rest)),*]
            }
        }
        arms_of_tuples!($($rest)*);
    )?};
}

arms_of_tuples!(A B C D E F G H I J K L);
