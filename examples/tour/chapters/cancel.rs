use std::time::{Duration, Instant};

use corobin::{JoinError, sleep, spawn, timeout, yield_now};

use crate::text::{explain, note};

const AN_HOUR: Duration = Duration::from_secs(3_600);

pub fn run() {
    corobin::run(|| {
        explain(
            "A cancelled coroutine unwinds from where it waits: its destructors run, innermost \
             first, and a destructor may even wait itself.",
        );
        let start = Instant::now();
        let worker = spawn(move || {
            let _connection = Closing {
                start,
                what: "connection",
                takes: 30,
            };
            let _buffer = Closing {
                start,
                what: "buffer",
                takes: 0,
            };
            note(start, "the worker starts and sleeps for an hour");
            sleep(AN_HOUR);
        });
        yield_now();
        note(start, "cancel");
        worker.cancel();
        let result = worker.join();
        assert!(matches!(result, Err(JoinError::Cancelled)));
        note(start, "join returns Err(Cancelled)");
        println!();

        explain(
            "`timeout` puts a limit on a piece of code where it stands. The code may borrow, and it \
             unwinds the same way when the time is up.",
        );
        let start = Instant::now();
        let mut log = Vec::new();
        let quick = timeout(Duration::from_millis(50), || {
            log.push("quick");
            "done"
        });
        note(start, &format!("something quick: {quick:?}"));
        let endless = timeout(Duration::from_millis(50), || {
            log.push("endless");
            sleep(AN_HOUR);
        });
        note(start, &format!("an hour's sleep: {endless:?}"));
        note(start, &format!("what has begun:  {log:?}"));
    });
}

/// Something that is closed in the end, which may take a while.
struct Closing {
    start: Instant,
    what: &'static str,
    takes: u64,
}

impl Drop for Closing {
    fn drop(&mut self) {
        sleep(Duration::from_millis(self.takes));
        note(self.start, &format!("the {} is closed", self.what));
    }
}
