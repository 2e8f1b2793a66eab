//! What a test has seen, in order.
#![allow(dead_code, reason = "not every file uses all of it")]

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

pub type Trail = Rc<RefCell<Vec<String>>>;

pub fn note(trail: &RefCell<Vec<String>>, entry: impl Into<String>) {
    trail.borrow_mut().push(entry.into());
}

pub fn entries(trail: &RefCell<Vec<String>>) -> Vec<String> {
    trail.borrow().clone()
}

pub fn sorted(trail: &RefCell<Vec<String>>) -> Vec<String> {
    let mut sorted = entries(trail);
    sorted.sort();
    sorted
}

/// Notes its own drop, on a trail that it shares or borrows.
pub struct Mark<T: Deref<Target = RefCell<Vec<String>>>, S: AsRef<str>>(pub T, pub S);

impl<T: Deref<Target = RefCell<Vec<String>>>, S: AsRef<str>> Drop for Mark<T, S> {
    fn drop(&mut self) {
        note(&self.0, self.1.as_ref());
    }
}
