# A filter with the gem nfqueue. `nfqueue_filter.rb QUEUE`

require 'nfqueue'

Netfilter::Queue.create(ARGV[0].to_i) do |packet|
  data = packet.data
  number = data[28, 4].unpack1('N')
  if number % 4 == 3
    data.setbyte(data.size - 1, data.getbyte(data.size - 1) ^ 0xff)
    packet.data = data
  end
  (number % 4).zero? ? Netfilter::Packet::DROP : Netfilter::Packet::ACCEPT
end
