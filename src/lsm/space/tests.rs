//! Tests of the allocator. Extents tile the file whatever happens, and each allocation takes the place that a slow and
//! obvious search finds.

use super::*;

/// The pages of a small file one by one: the obvious twin of [`FreeExtents`].
#[derive(Debug)]
struct Naive {
    free: Vec<bool>,
}

impl Naive {
    fn extents(&self) -> Vec<Extent> {
        let mut extents: Vec<Extent> = Vec::new();
        for (page, _) in self.free.iter().enumerate().filter(|(_, free)| **free) {
            let page = page as u64;
            match extents.last_mut().filter(|last| last.end() == page) {
                Some(last) => last.pages += 1,
                None => extents.push(Extent { start: page, pages: 1 }),
            }
        }
        extents
    }

    fn range(extent: Extent) -> std::ops::Range<usize> {
        let index = |page| usize::try_from(page).unwrap();
        index(extent.start)..index(extent.end())
    }

    fn set(&mut self, extent: Extent, free: bool) {
        self.free[Self::range(extent)].fill(free);
    }

    fn all(&self, extent: Extent, free: bool) -> bool {
        self.free[Self::range(extent)].iter().all(|&is| is == free)
    }
}

#[test]
fn free_extents_equal_a_list_of_pages() {
    let mut rng = fastrand::Rng::with_seed(3);
    for pages in [40_u64, 300, 70_000] {
        let mut naive = Naive { free: vec![false; usize::try_from(pages).unwrap()] };
        let mut free = FreeExtents::default();
        for round in 0..2_000 {
            let start = rng.u64(0..pages);
            let extent = Extent { start, pages: rng.u64(1..=(pages - start).min(17)) };
            match rng.u32(0..5) {
                0..2 if naive.all(extent, false) => {
                    free.add(extent);
                    naive.set(extent, true);
                }
                2 => {
                    assert_eq!(free.take(extent), naive.all(extent, true));
                    if naive.all(extent, true) {
                        naive.set(extent, false);
                    }
                }
                3 => {
                    let within = naive.free[Naive::range(extent)].iter().filter(|free| **free);
                    assert_eq!(free.pages_within(extent), within.count() as u64);
                    free.take_any(extent);
                    naive.set(extent, false);
                }
                _ => {}
            }
            if round % 8 == 0 || pages < 100 {
                let expected = naive.extents();
                assert!(free.iter().eq(expected.iter().copied()));
                assert_eq!(free.pages(), expected.iter().map(|extent| extent.pages).sum::<u64>());
                assert_eq!((free.len(), free.last()), (expected.len(), expected.last().copied()));
                for wanted in 1..20 {
                    let lowest = expected.iter().find(|extent| extent.pages >= wanted).copied();
                    assert_eq!(free.lowest(wanted), lowest);
                }
            }
        }
    }
}

#[test]
fn a_search_among_many_free_extents_looks_at_few() {
    let mut free = FreeExtents::default();
    for number in 0..100_000 {
        free.add(Extent { start: number * 4, pages: 1 + number % 2 });
    }
    free.add(Extent { start: 1 << 40, pages: 500 });
    for _ in 0..10_000 {
        assert_eq!(free.lowest(3).map(|found| found.start), Some(1 << 40));
        assert_eq!(free.lowest(2).map(|found| found.start), Some(4));
    }
}

#[test]
fn extents_tile_the_file_and_the_lowest_fit_is_taken() {
    let space = Space::new(&[Extent { start: 0, pages: 2 }], 2, 1);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut leases = Vec::new();
    let mut generation = 1;
    for _ in 0..5_000 {
        match rng.u32(0..12) {
            0..5 => leases.push(allocate(&space, &mut rng)),
            5..9 if !leases.is_empty() => {
                let mut lease: ExtentLease = leases.swap_remove(rng.usize(..leases.len()));
                if rng.bool() {
                    lease.shrink_to(lease.extent().pages.div_ceil(2));
                }
            }
            9 => {
                for lease in space.lease_for_punching() {
                    if rng.u32(0..4) > 0 {
                        space.mark_punched(lease);
                    }
                }
            }
            _ => {
                generation += 1;
                space.checkpoint_durable(generation, None);
            }
        }
        let used = space.check().unwrap();
        let leased: u64 = leases.iter().map(|lease| lease.extent().pages).sum();
        assert_eq!(leased + 2, used.leased.iter().map(|extent| extent.pages).sum::<u64>());
        let state = space.lock();
        assert!(state.punched.iter().all(|hole| state.free.pages_within(hole) == hole.pages));
        let deferred: u64 = state.deferred.iter().map(|(_, extent)| extent.pages).sum();
        assert_eq!(deferred, state.deferred_pages);
    }
    leases.clear();
    space.checkpoint_durable(generation + 1, None);
    assert_eq!(
        space.checkpoint_durable(generation + 2, None),
        2,
        "everything behind the roots is cut"
    );
    assert_eq!(space.fill().punched_pages, 0);
}

/// Allocates in one of the ways that there are, and proves that the place is the one that a walk over all pages finds.
fn allocate(space: &Arc<Space>, rng: &mut fastrand::Rng) -> ExtentLease {
    let pages = rng.u64(1..9);
    let pages_min = rng.u64(1..=pages);
    let end = space.end();
    let free: Vec<Extent> = space.lock().free.iter().collect();
    let lowest = |pages: u64| free.iter().find(|extent| extent.pages >= pages).copied();
    let tail = free.last().filter(|last| last.end() == end).map_or(end, |last| last.start);
    let (lease, expected) = match rng.u32(0..8) {
        0..4 => {
            let start = lowest(pages).map_or(tail, |found| found.start);
            (space.allocate(pages), Extent { start, pages })
        }
        4..6 => {
            let expected = match lowest(pages_min) {
                Some(found) if found.pages >= pages || found.end() < end => {
                    Extent { start: found.start, pages: pages.min(found.pages) }
                }
                _ => Extent { start: tail, pages },
            };
            (space.allocate_between(pages_min, pages), expected)
        }
        6 => (space.allocate_behind(pages), Extent { start: tail, pages }),
        _ => {
            let limit = rng.u64(0..=end);
            let fits = lowest(pages).filter(|found| found.start + pages <= limit);
            let lease = space.allocate_below(pages, limit);
            assert_eq!(lease.is_some(), fits.is_some());
            match (lease, fits) {
                (Some(lease), Some(found)) => (lease, Extent { start: found.start, pages }),
                _ => return space.allocate(1),
            }
        }
    };
    assert_eq!(lease.extent(), expected);
    if rng.bool() {
        lease.publish();
    }
    lease
}

#[test]
fn a_published_extent_is_not_reused_before_both_roots_were_written_anew() {
    let space = Space::new(&[Extent { start: 0, pages: 1 }], 1, 7);
    let lease = space.allocate(1);
    lease.publish();
    drop(lease);
    assert_eq!(space.allocate(1).extent().start, 2);
    space.checkpoint_durable(8, None);
    assert_eq!(space.allocate(1).extent().start, 2);
    space.checkpoint_durable(9, None);
    assert_eq!(space.allocate(1).extent().start, 1);
}

#[test]
fn who_can_adapt_takes_a_smaller_gap_but_lets_the_tail_grow() {
    let space = Space::new(&[Extent { start: 0, pages: 1 }], 1, 1);
    let gap = space.allocate(8);
    let _behind = space.allocate(1);
    drop(gap);
    let small = space.allocate_between(5, 10);
    assert_eq!(small.extent(), Extent { start: 1, pages: 8 });
    drop(space.allocate(6));
    let tail = space.allocate_between(5, 10);
    assert_eq!(tail.extent(), Extent { start: 10, pages: 10 });
    space.check().unwrap();
}

#[test]
fn two_owners_of_one_page_are_a_corruption() {
    let space = Space::new(&[], 10, 1);
    let _first = space.adopt(Extent { start: 2, pages: 4 }).unwrap();
    assert!(space.adopt(Extent { start: 5, pages: 1 }).is_err());
    assert!(space.adopt(Extent { start: 8, pages: 3 }).is_err());
    assert!(space.adopt(Extent { start: u64::MAX, pages: 2 }).is_err());
}

#[test]
fn holes_are_punched_from_the_top_and_a_tenth_is_kept_for_reuse() {
    let space = Space::new(&[Extent { start: 0, pages: 1 }], 1, 1);
    let leases: Vec<ExtentLease> = (0..100).map(|_| space.allocate(10)).collect();
    let mut kept = Vec::new();
    for (number, lease) in leases.into_iter().enumerate() {
        // Every second one is given back; what is too short on its own is not worth a hole.
        if number % 2 == 1 {
            kept.push(lease);
        }
    }
    assert_eq!(space.lease_for_punching().len(), 0, "extents of 10 pages in a file of 1,001");
    kept.truncate(1);
    kept.push(space.allocate_behind(1));
    let holes = space.lease_for_punching();
    assert_eq!(holes.len(), 1);
    let hole = holes[0].extent();
    assert_eq!(hole, Extent { start: 22, pages: 979 });
    for hole in holes {
        space.mark_punched(hole);
    }
    assert_eq!(space.fill().punched_pages, 979);
    assert!(space.lease_for_punching().is_empty(), "what is punched is not punched again");
    let reused = space.allocate(500);
    assert_eq!(space.fill().punched_pages, 479);
    drop(reused);
    let again = space.lease_for_punching();
    assert_eq!(again.len(), 1, "what was used is solid again");
    space.check().unwrap();
}

#[test]
fn what_a_lease_may_reach_is_held_until_it_goes() {
    for leased in 0..8 {
        let space = Space::new(&[Extent { start: 0, pages: 2 }], 2, 4);
        let extents: Vec<ExtentLease> = (0..4).map(|_| space.allocate(3)).collect();
        let behind = space.allocate(1);
        behind.publish();
        // Given back while roots 4, 5, 6 and 7 were the newest.
        for (lease, generation) in extents.into_iter().zip(5..) {
            lease.publish();
            drop(lease);
            space.checkpoint_durable(generation, Some(leased));
        }
        // Root 8 is durable: those of 4, 5 and 6 are free but for readers.
        let (held, fill) = (space.held_pages(), space.fill());
        let reached = (4..7).filter(|&given_back| leased <= given_back).count() as u64;
        assert_eq!((held, space.deferred_pages()), (3 * reached, 3), "a lease of {leased}");
        assert_eq!(fill.free_pages, 9 - held);
        assert_eq!(space.check().unwrap().held_pages, held);
        space.checkpoint_durable(9, Some(leased));
        assert_eq!(
            (space.deferred_pages(), space.held_pages()),
            (0, held + if leased <= 7 { 3 } else { 0 })
        );
        assert_eq!(space.readers_at(None), space.held_pages() > 0 || leased <= 7);
        assert_eq!((space.held_pages(), space.fill().free_pages), (0, 12));
        assert!(!space.readers_at(None));
    }
}

#[test]
fn a_readers_space_gives_back_at_once_and_grows() {
    let space = Space::new(&[Extent { start: 0, pages: 2 }], 8, 4);
    let (old, new) = (Arc::new(4), Arc::new(5));
    space.read_under(Some(old.clone()));
    let extents = [Extent { start: 2, pages: 3 }, Extent { start: 5, pages: 3 }];
    let leases = extents.map(|extent| space.adopt(extent).unwrap());
    assert!(space.adopt(Extent { start: 8, pages: 1 }).is_err());
    space.cover(10);
    let behind = space.adopt(Extent { start: 8, pages: 2 }).unwrap();
    space.read_under(Some(new.clone()));
    leases[1].renew();
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1 + 2, 1 + 2));
    drop(behind);
    space.adopt(Extent { start: 7, pages: 2 }).unwrap_err();
    drop(leases);
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1 + 1));
    let all = space.adopt(Extent { start: 2, pages: 8 }).unwrap();
    assert_eq!(Arc::strong_count(&new), 1 + 2);
    drop(all);
    space.read_under(None);
    assert_eq!(Arc::strong_count(&new), 1);
}
