//! Everything that can happen.

/// Where a process dies in the middle of its work, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// It does not.
    No,
    /// Before it has written anything.
    Before,
    /// After it has written, and before it has said so.
    After,
}

/// One thing that happens. The moment is the world's, and so is whatever is not said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A shopper orders something.
    Place,
    /// A command is published once more: its confirm was lost, and somebody asked again.
    PublishAgain,
    /// A shopper asks where to pay. The process may die between the provider's answer and the broker's.
    Pay(Crash),
    /// A shopper pays, is declined, or leaves.
    Confirm,
    /// Money comes in for an order by a way of its own.
    RoguePayment,
    /// One of the provider's reports arrives, once or twice, or is lost for ever.
    Report,
    /// A shopper cancels.
    Cancel,
    /// A shopper sends an order back.
    SendBack,
    /// An operator gives a part of the money back.
    RefundByHand,
    /// A worker takes a batch from a queue.
    Work(Crash),
    /// Two commands that stand in one queue change places.
    Swap,
    /// Somebody gives a dead letter back to the orders.
    Replay,
    /// Holds that are due expire.
    Expire(Crash),
    /// Paid orders take the steps that are due.
    Step(Crash),
    /// A worker reads which refunds are due.
    ReadRefunds,
    /// It makes one that it read of, perhaps long ago; it may die between the provider's answer and its note.
    MakeRefund(Crash),
    /// A worker reads of which payments nothing was heard.
    ReadSilent,
    /// It asks about one that it read of.
    Ask(Crash),
    /// The outbox is told. After a crash it is told again.
    Relay(Crash),
    /// Another limit for what one customer may have.
    ChangeLimit,
    /// Time passes.
    Wait {
        /// So much of it.
        seconds: i64,
    },
}
