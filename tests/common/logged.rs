//! What corobin logs on the thread of a test.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

thread_local! {
    static RECORDS: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Records;

impl Log for Records {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("corobin") {
            let record = (record.level(), record.args().to_string());
            RECORDS.with_borrow_mut(|records| records.push(record));
        }
    }

    fn flush(&self) {}
}

/// What `f` logs at this level, and at those that are more serious.
pub fn logged_by(level: Level, f: impl FnOnce()) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Records).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
    RECORDS.take();
    f();
    let records = RECORDS.take().into_iter();
    let serious = records.filter(|(at, _)| *at <= level);
    serious.map(|(_, text)| text).collect()
}
