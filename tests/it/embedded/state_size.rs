//! How much memory an appliance takes: printed, and held where it must stay.

use fasp_core::receiver::Receiver;
use fasp_core::sender::Sender;
use fasp_firmware::appliance::{SmallSession, SshMemory};
use fasp_firmware::sockets::SocketMemory;
use fasp_firmware::storage::ram_disk::RamDisk;

/// What the state of one session may take at the small profile.
const MOST: usize = 64 << 10;

#[test]
fn the_state_of_a_session_fits_a_small_device() {
    let sender = size_of::<Sender<256, 16, 8_960>>();
    let receiver = size_of::<Receiver<16, 16, 128, 8_960>>();
    let session = size_of::<SmallSession<RamDisk<'_, 1, 1>>>();
    println!("sending machine of core    {sender:>6} bytes");
    println!("receiving machine of core  {receiver:>6} bytes");
    println!("session, one of the two    {session:>6} bytes");
    println!(
        "memory of SSH              {:>6} bytes",
        size_of::<SshMemory>()
    );
    println!(
        "sockets, 2 KiB and 8 frames{:>6} bytes",
        size_of::<SocketMemory<2_048, 8, 12_288>>()
    );
    assert!(sender <= MOST && receiver <= MOST && session <= MOST);
}
