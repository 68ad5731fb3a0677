complete -c ascp -l retry-timeout -d 'Log in again when a session is lost, for this long (default: 0, never); needs -k 1 or more' -r
complete -c ascp -s k -d 'Resume: 0 no, 1 attributes, 2 samples, 3 all' -r
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
complete -c ascp -s 6 -d 'Use IPv6'
complete -c ascp -s T -d 'Do not encrypt the data; same as -c none'
complete -c ascp -s q -d 'No progress display'
complete -c ascp -s v -d 'Log the steps of connecting and logging in'
complete -c ascp -s D -d 'Debug log; -DD and -DDD tell more'
complete -c ascp -l precalculate-job-size -d 'Count everything beside the transfer, and show what is done of it and how long the rest takes'
complete -c ascp -l precalculate-disable -d 'Do not (default)'
complete -c ascp -s Q -d 'Same as --policy=fair; -QQ is --policy=low'
complete -c ascp -s r -d 'Changes nothing: folders are always sent whole'
