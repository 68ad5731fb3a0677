complete -c ascp -l retry-timeout -d 'Log in again when a session is lost, for this long (default: 0, never); needs -k 1 or more' -r
complete -c ascp -s k -d 'Resume: 0 no, 1 attributes, 2 samples, 3 all' -r
complete -c ascp -s E -d 'Leave out what matches; the first -E or -N that matches counts' -r
complete -c ascp -s N -d 'Keep what matches, whatever a later -E says' -r
complete -c ascp -l exclude-newer-than -d 'Leave out files modified after MTIME: seconds since 1970, or -SECONDS before now' -r
complete -c ascp -l exclude-older-than -d 'Leave out files modified before MTIME' -r
complete -c ascp -l file-list -d 'Take the sources from the lines of FILE (- is standard input); needs --mode, --host' -r
complete -c ascp -l file-pair-list -d 'The same; each source is followed by the line of its destination' -r
complete -c ascp -l source-prefix -d 'Put PREFIX/ before every source' -r
complete -c ascp -l source-prefix64 -d 'The same, in base64' -r
complete -c ascp -l src-base -d 'Keep the folders that a source has below PREFIX; sources elsewhere are left out' -r
complete -c ascp -l src-base64 -d 'The same, in base64' -r
complete -c ascp -l symbolic-links -d 'follow (default), copy, copy+force or skip' -r
complete -c ascp -s @ -d 'Only these bytes, END included, of one file; either may be missing; downloads without -k' -r
complete -c ascp -l overwrite -d 'Replace files: never, always, diff (default), diff+older or older; -k says what differs' -r
complete -c ascp -s o -d 'As scp: Overwrite=RULE is --overwrite=RULE' -r
complete -c ascp -l partial-file-suffix -d 'Downloads: what a file has behind its name until it is complete' -r
complete -c ascp -l move-after-transfer -d 'Move source files that are delivered to DIR, on their side and file system' -r
complete -c ascp -l preserve-xattrs -d 'Extended attributes: native, metafile (in FILE.aspera-meta) or none (default)' -r
complete -c ascp -l remote-preserve-xattrs -d 'How the other side has them (default: same)' -r
complete -c ascp -l preserve-acls -d 'Access lists, the same way' -r
complete -c ascp -l remote-preserve-acls -d 'How the other side has them' -r
complete -c ascp -s l -d 'Target rate (default: the server\'s)' -r
complete -c ascp -s m -d 'Minimum rate (default: 0)' -r
complete -c ascp -l policy -d 'Sharing: fixed, high, fair (default) or low' -r
complete -c ascp -s w -d 'Measure the bandwidth first, from (r) or to (f) the server; without files nothing else is done' -r
complete -c ascp -s K -d 'How fast -w measures (default: 100, in Kbit/s)' -r
complete -c ascp -s Z -d 'Datagram size, 296 to 65507 (default: probed)' -r
complete -c ascp -s X -d 'Retransmission request, 128 to 1440 (default)' -r
complete -c ascp -l mode -d 'send or recv; operands are plain paths then' -r
complete -c ascp -l host -d 'The other computer; needs --mode' -r
complete -c ascp -l user -d 'Login name there (default: the local user)' -r
complete -c ascp -s i -d 'Private key, also looked up in ~/.ssh; repeatable' -r
complete -c ascp -s P -d 'TCP port of SSH (default: 22)' -r
complete -c ascp -s O -d 'UDP port of the data (default: 33001)' -r
complete -c ascp -s c -d 'none, aes128 (default), aes192 or aes256; with a mode behind it: aes256gcm, aes256cfb' -r
complete -c ascp -l check-sshfp -d 'Required fingerprint of the SSH host key, in hex' -r
complete -c ascp -s W -d 'Token that authorizes the transfer, or a file with it; instead of ASPERA_SCP_TOKEN' -r
complete -c ascp -l file-crypt -d 'encrypt what is sent, to NAME.aspera-env, or decrypt what is received; ASPERA_SCP_FILEPASS has the passphrase' -r
complete -c ascp -s C -d 'This is session NODE of COUNT (1 to 128) with the same arguments; each sends its share of the files' -r
complete -c ascp -l multi-session-threshold -d 'With -C: split files of at least BYTES between the sessions; 0 (default) splits none' -r
complete -c ascp -s f -d 'Configuration to read instead of aspera.conf' -r
complete -c ascp -s L -d 'Log to DIR/aspera-scp-transfer.log, renamed at 10 MB or at :SIZE behind DIR; -L- logs to standard error' -r
complete -c ascp -l file-checksum -d 'Checksum of each file, checked by the other side: md5, sha1, sha-256, sha-384, sha-512 or none' -r
complete -c ascp -l file-manifest -d 'text: write a list of the files transferred' -r
complete -c ascp -l file-manifest-path -d 'The folder of the list, on this computer' -r
complete -c ascp -l file-manifest-inprogress-suffix -d 'Behind the name of the list until it is complete (default: .aspera-inprogress)' -r
complete -c ascp -l tags -d 'Metadata for the logs of both sides, at most 4096 bytes' -r
complete -c ascp -l tags64 -d 'The same, encoded' -r
complete -c ascp -s u -d 'Words for the logs of both sides' -r
complete -c ascp -s R -d 'The server logs this session to DIR, below its files' -r
complete -c ascp -s g -d 'Bytes read from a disk at a time, with K or M; 1 to 500M (default: 256K)' -r
complete -c ascp -s G -d 'Bytes written to a disk at a time, with K or M; 1 to 500M (default: 256K)' -r
complete -c ascp -s S -d 'Name or path of ascp at the server (default: ascp)' -r
complete -c ascp -s h -l help -d 'Show this help; -hh shows the rare options too'
complete -c ascp -s A -l version -d 'Show version, system and licence'
complete -c ascp -s d -d 'Create the destination folder if it is missing'
complete -c ascp -s p -l preserve-times -d 'Keep access and modification times'
complete -c ascp -l dest64 -d 'The destination is written in base64'
complete -c ascp -l skip-special-files -d 'Pass over devices, pipes and sockets'
complete -c ascp -l skip-dir-traversal-dupes -d 'Changes nothing: nobody looks for duplicates'
complete -c ascp -l delete-before-transfer -d 'First delete at the destination what the source folder has not; SRC and DEST must be folders of the same name'
complete -c ascp -l save-before-overwrite -d 'Keep a replaced FILE.EXT as FILE.DATE.INDEX.EXT'
complete -c ascp -l remove-after-transfer -d 'Remove source files that are delivered'
complete -c ascp -l remove-skipped -d 'And those that were there already; needs --remove-after-transfer'
complete -c ascp -l remove-empty-directories -d 'Remove source folders that are empty at the end, not the sources themselves'
complete -c ascp -l remove-empty-source-directory -d 'And these; needs --remove-empty-directories'
complete -c ascp -l preserve-modification-time -d 'Keep modification times'
complete -c ascp -l preserve-access-time -d 'Keep access times'
complete -c ascp -l preserve-source-access-time -d 'Leave the access times of the sources alone'
complete -c ascp -l preserve-creation-time -d 'Changes nothing on this system'
complete -c ascp -l preserve-file-owner-uid -d 'Keep owners, by number; the receiver must be root'
complete -c ascp -l preserve-file-owner-gid -d 'Keep groups, the same way'
complete -c ascp -s 6 -d 'Use IPv6'
complete -c ascp -s T -d 'Do not encrypt the data; same as -c none'
complete -c ascp -l allow-password-prompt -d 'Ask for the password at the terminal when nothing else logs in'
complete -c ascp -l ignore-host-key -d 'Take any host key, which is not safe: prefer --check-sshfp, which goes first'
complete -c ascp -l fail-bad-filepass -d 'Fail where the passphrase does not open a file, instead of keeping it encrypted'
complete -c ascp -l apply-local-docroot -d 'Local paths are below the docroot of the configuration and cannot leave it; ASPERA_SCP_DOCROOT names another'
complete -c ascp -s q -d 'No progress display'
complete -c ascp -s v -d 'Log the steps of connecting and logging in'
complete -c ascp -s D -d 'Debug log; -DD and -DDD tell more'
complete -c ascp -l precalculate-job-size -d 'Count everything beside the transfer, and show what is done of it and how long the rest takes'
complete -c ascp -l precalculate-disable -d 'Do not (default)'
complete -c ascp -s Q -d 'Same as --policy=fair; -QQ is --policy=low'
complete -c ascp -s r -d 'Changes nothing: folders are always sent whole'
