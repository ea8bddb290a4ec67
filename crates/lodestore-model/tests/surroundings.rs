//! Clocks that are wrong and stores whose names fold: promises are kept, and every precaution is needed.

use lodestore_model::{ClockProtocol, FoldProtocol, explore_clock, explore_fold};

#[test]
fn periods_do_not_end_early_by_a_wrong_clock() {
    for wrong_by in [-9, -8, -2, 2, 3, 8, 9] {
        assert_eq!(explore_clock(ClockProtocol::default(), wrong_by), None, "{wrong_by} days");
    }
    for (what, protocol, wrong_by) in [
        ("time without bounds", ClockProtocol { bounded: false, ..ClockProtocol::default() }, 8),
        ("a jump that is believed at second sight", ClockProtocol { confirms: false, ..ClockProtocol::default() }, 8),
        ("a jump that nobody disproves", ClockProtocol { disproves: false, ..ClockProtocol::default() }, 8),
        (
            "deletes stamped by the clock alone",
            ClockProtocol { stamps_recorded: false, ..ClockProtocol::default() },
            -8,
        ),
        ("time that goes back", ClockProtocol { monotonic: false, ..ClockProtocol::default() }, -8),
    ] {
        let way = explore_clock(protocol, wrong_by);
        println!("{what}: {way:?}");
        assert!(way.is_some(), "{what}");
    }
}

#[test]
fn rows_keep_their_objects_where_names_fold() {
    assert_eq!(explore_fold(FoldProtocol::default()), None);
    for (what, protocol) in [
        ("listings compared by folders", FoldProtocol { compares_names: false, ..FoldProtocol::default() }),
        ("writing over what is there", FoldProtocol { creates_only: false, ..FoldProtocol::default() }),
        ("removing what others wrote", FoldProtocol { removes_own: false, ..FoldProtocol::default() }),
    ] {
        assert!(explore_fold(protocol).is_some(), "{what}");
    }
}
