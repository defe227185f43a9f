import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * Runs one OpenSearch node on loopback until it is told to stop, or until whoever started it is gone.
 *
 * <p>Arguments: its folder, name of the cluster, name of the node, HTTP port, transport port, and the
 * transport ports and names of all nodes of the cluster, as "port=name,port=name".
 */
public final class StartNode {
  private StartNode() {}

  public static void main(String[] arguments) throws Exception {
    String folder = arguments[0];
    String node = arguments[2];
    String[] members = arguments[5].split(",");
    String[] seeds = new String[members.length];
    String[] names = new String[members.length];
    for (int place = 0; place < members.length; place++) {
      String[] member = members[place].split("=", 2);
      seeds[place] = "127.0.0.1:" + member[0];
      names[place] = member[1];
    }
    OpenSearchRunner runner = new OpenSearchRunner();
    runner.setMaxHttpPort(-1);
    runner.onBuild(
        (number, settings) -> {
          settings.put("node.name", node);
          settings.put("http.port", Integer.parseInt(arguments[3]));
          settings.put("transport.port", Integer.parseInt(arguments[4]));
          settings.put("network.host", "127.0.0.1");
          settings.putList(
              "node.roles", "cluster_manager", "data", "ingest", "remote_cluster_client");
          settings.putList("discovery.seed_hosts", seeds);
          settings.putList("cluster.initial_cluster_manager_nodes", names);
          settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner, ended)));
    runner.build(
        OpenSearchRunner.newConfigs()
            .basePath(folder)
            .clusterName(arguments[1])
            .numOfNode(1)
            .disableESLogger());
    Files.writeString(Path.of(folder, "started"), node);
    // the starter holds the other end of standard input: it closes when that process ends, however it does
    while (System.in.read() >= 0) {
      // nothing is said there
    }
    System.exit(0);
  }

  private static void close(OpenSearchRunner runner, CountDownLatch ended) {
    try {
      runner.close();
    } catch (Exception problem) {
      System.err.println("closing: " + problem);
    } finally {
      ended.countDown();
    }
  }
}
